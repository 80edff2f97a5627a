"""Measure the contestants in alternating turns."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

from tests.benchmarks.column import Column, Timer
from tests.benchmarks.contestant import Contestant

Progress = Callable[[int, int], None]
"""Called with the number of rounds done and of all rounds."""


@dataclass(frozen=True)
class Overhead:
    """Additional nanoseconds of a guarded call, compared with a bare one."""

    best: float
    """The best round, compared with the best bare round."""
    median: float
    """The median round, each compared with the bare one of the same round."""


def measure(
    column: Column,
    contestants: Sequence[Contestant],
    *,
    rounds: int,
    calls: int,
    progress: Progress,
) -> dict[str, Overhead]:
    """Return the overhead of each contestant that can take part in a column, by name.

    In every round each contestant has one short turn, in a new random order, so
    that load on the machine affects all of them alike. Garbage is collected
    before each turn and not within one. The first round does not count.
    """
    able = [contestant for contestant in contestants if contestant.awaits or not column.awaits]
    rounds = max(1, rounds // column.rounds_divided_by)
    with asyncio.Runner() as runner, _collecting_manually():
        timers = {contestant.name: column.guarded(contestant, runner) for contestant in able}
        bare = column.bare(runner)
        entries: list[tuple[list[float], Timer]] = [([], bare)]
        entries += [([], timer) for timer in timers.values()]
        order = list(entries)
        for done in range(rounds + 1):
            random.shuffle(order)
            for times, timer in order:
                gc.collect()
                times.append(timer(calls))
            for contestant in able:
                contestant.between_rounds()
            progress(done, rounds)
    (bare_times, *guarded_times) = (times[1:] for times, _ in entries)
    return {
        name: _overhead(times, bare_times)
        for name, times in zip(timers, guarded_times, strict=True)
    }


def _overhead(times: list[float], bare: list[float]) -> Overhead:
    differences = (time - over for time, over in zip(times, bare, strict=True))
    return Overhead(best=min(times) - min(bare), median=median(differences))


@contextmanager
def _collecting_manually() -> Iterator[None]:
    """Collect garbage only on `gc.collect()`, and only objects created from here on."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        if was_enabled:
            gc.enable()
