"""Timing the contestants against each other."""

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
"""Told how many rounds are done, of how many."""


@dataclass(frozen=True)
class Overhead:
    """Nanoseconds that a guarded call takes over a bare one."""

    best: float
    """The best round against the best bare one."""
    median: float
    """Half of the rounds were better, each against the bare one of the same round."""


def measure(
    column: Column,
    contestants: Sequence[Contestant],
    *,
    rounds: int,
    calls: int,
    progress: Progress,
) -> dict[str, Overhead]:
    """Time those who can take part in a column, by name.

    All of them take a short turn in every round, in an order that is drawn
    anew, so that what slows the machine down hits all of them alike. Garbage is
    collected before each turn and not within one. The first round does not count.
    """
    able = [contestant for contestant in contestants if contestant.awaits or not column.awaits]
    rounds = max(1, rounds // column.rounds_divided_by)
    with asyncio.Runner() as runner, _collected_by_hand():
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
def _collected_by_hand() -> Iterator[None]:
    """Collect garbage only when told to, and only what comes into being from here on."""
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
