"""The loop's time while the process is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from fuseboard.engine.freeze_tolerant_loop import FreezeTolerantLoop
from tests.core.clock import ManualClock


def run(clock: ManualClock, main: Coroutine[Any, Any, str]) -> str:
    with asyncio.Runner(loop_factory=lambda: FreezeTolerantLoop(clock)) as runner:
        return runner.run(main)


async def answer_within(seconds: float, clock: ManualClock, steps: list[float]) -> str:
    """Wait for an answer that comes after the clock has made these steps."""
    loop = asyncio.get_running_loop()
    came = loop.create_future()

    async def elsewhere() -> None:
        for step in steps:
            clock.advance(step)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        if not came.done():
            came.set_result("answer")

    other = asyncio.create_task(elsewhere())
    try:
        async with asyncio.timeout(seconds):
            return str(await came)
    except TimeoutError:
        return "late"
    finally:
        await other


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([0.5] * 8, "answer"),
        ([0.5] * 12, "late"),
        ([60.0], "answer"),
        ([60.0, *[0.5] * 8, 3600.0], "answer"),
        ([60.0, *[0.5] * 12, 3600.0], "late"),
    ],
)
def test_a_stop_puts_deadlines_off_and_slowness_does_not(steps: list[float], said: str) -> None:
    clock = ManualClock()
    assert run(clock, answer_within(5.0, clock, steps)) == said


def test_time_never_goes_back() -> None:
    clock = ManualClock()
    loop = FreezeTolerantLoop(clock)
    seen = [loop.time()]
    for step in (0.1, 0.9, 60.0, 0.0, 1.0, 1.1, 0.5):
        clock.advance(step)
        seen.append(loop.time())
    assert seen == sorted(seen)
    assert seen[-1] - seen[0] == pytest.approx(0.1 + 0.9 + 1.0 + 0.5)
    loop.close()
