"""An engine leaves nothing behind: the short form of `tests.soak.engine_cycles`."""

from __future__ import annotations

import sys

import pytest

from tests.soak.engine_cycles import Figures, cycles, problems

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")


@pytest.mark.slow
def test_engines_that_are_started_and_stopped_leave_nothing_behind() -> None:
    assert list(problems(list(cycles(20)))) == []


def test_growth_is_a_problem() -> None:
    def growing(descriptors: int = 0, threads: int = 0, objects: int = 0, memory: float = 0) -> str:
        figures = [
            Figures(
                cycles=number,
                seconds=0.1 * number,
                descriptors=6 + number * descriptors,
                threads=1 + number * threads,
                objects=40_000 + number * objects,
                mebibytes=50 + number * memory,
            )
            for number in range(100)
        ]
        return "; ".join(problems(figures))

    assert growing() == ""
    assert growing(descriptors=1) == "descriptors: 26, then 105"
    assert growing(threads=1) == "threads: 21, then 100"
    assert growing(objects=20) == "objects: 40,400, then 41,980"
    assert growing(memory=1) == "memory: 70.0 MiB, then 110.0"
