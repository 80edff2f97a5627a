"""The measured ways of calling: each is a column of the table, in nanoseconds per call.

Every contestant gets loops of its own, because the interpreter specialises the
bytecode of a call for what is called: a shared loop would suit no contestant.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from time import perf_counter_ns
from types import FunctionType
from typing import Any

from tests.benchmarks.contestant import NEVER, TRIPS_AFTER, Contestant, Function, ServiceError

THREADS = 8
_TURN = 20
"""Factor on the calls per thread: one must take longer than the thread switch interval."""

Timer = Callable[[int], float]
"""Makes that many calls and returns the nanoseconds per call."""


@dataclass(frozen=True)
class Column:
    """One way of calling, with and without a guard."""

    key: str
    title: str
    bare: Callable[[asyncio.Runner], Timer]
    guarded: Callable[[Contestant, asyncio.Runner], Timer]
    awaits: bool = False
    """Whether only contestants that guard coroutine functions take part."""
    rounds_divided_by: int = 1
    """By how much the number of rounds is reduced, because one takes that much longer."""


def _succeed() -> None:
    """Do nothing, so that the time is the breaker's."""


async def _succeed_later() -> None:
    """Do nothing, in a coroutine that never suspends."""


def _fail() -> None:
    raise ServiceError


def _calls(function: Function) -> Timer:
    loop = _own(_call_repeatedly)

    def time(calls: int) -> float:
        taken: int = loop(function, calls)
        return taken / calls

    return time


def _raising_calls(function: Function, error: type[Exception]) -> Timer:
    loop = _own(_call_and_catch_repeatedly)

    def time(calls: int) -> float:
        taken: int = loop(function, error, calls)
        _forget_traceback(function, error)
        return taken / calls

    return time


def _awaits(function: Function, runner: asyncio.Runner) -> Timer:
    loop = _own(_await_repeatedly)

    def time(calls: int) -> float:
        taken: int = runner.run(loop(function, calls))
        return taken / calls

    return time


def _calls_in_threads(function: Function) -> Timer:
    loop = _own(_call_repeatedly)

    def time(calls: int) -> float:
        together = threading.Barrier(THREADS)

        def hammer(_: int) -> tuple[int, int]:
            together.wait()
            start = perf_counter_ns()
            loop(function, _TURN * calls)
            return start, perf_counter_ns()

        with ThreadPoolExecutor(THREADS) as pool:
            spans = list(pool.map(hammer, range(THREADS)))
        taken = max(end for _, end in spans) - min(start for start, _ in spans)
        return taken / (THREADS * _TURN * calls)

    return time


def _call_repeatedly(function: Function, calls: int) -> int:
    start = perf_counter_ns()
    for _ in repeat(None, calls):
        function()
    return perf_counter_ns() - start


def _call_and_catch_repeatedly(function: Function, error: type[Exception], calls: int) -> int:
    start = perf_counter_ns()
    for _ in repeat(None, calls):
        try:  # noqa: SIM105 - suppress() would be timed as well
            function()
        except error:
            pass
    return perf_counter_ns() - start


async def _await_repeatedly(function: Function, calls: int) -> int:
    start = perf_counter_ns()
    for _ in repeat(None, calls):
        await function()
    return perf_counter_ns() - start


def _own(loop: Callable[..., Any]) -> Callable[..., Any]:
    """Return a copy of a function that has its own bytecode."""
    assert isinstance(loop, FunctionType)
    return FunctionType(loop.__code__.replace(), loop.__globals__)


def _forget_traceback(function: Function, error: type[Exception]) -> None:
    """Clear the traceback that grows where a peer raises the same instance again and again."""
    try:
        function()
    except error as raised:
        raised.__traceback__ = None


COLUMNS = (
    Column(
        "sync",
        "sync success",
        bare=lambda _: _calls(_succeed),
        guarded=lambda contestant, _: _calls(contestant.guard(_succeed, TRIPS_AFTER)),
    ),
    Column(
        "async",
        "async success",
        bare=lambda runner: _awaits(_succeed_later, runner),
        guarded=lambda contestant, runner: _awaits(
            contestant.guard(_succeed_later, TRIPS_AFTER), runner
        ),
        awaits=True,
    ),
    Column(
        "failure",
        "failure",
        bare=lambda _: _raising_calls(_fail, ServiceError),
        guarded=lambda contestant, _: _raising_calls(contestant.guard(_fail, NEVER), ServiceError),
    ),
    Column(
        "rejection",
        "rejection",
        bare=lambda _: _calls(_succeed),  # what the call costs that is not made
        guarded=lambda contestant, _: _raising_calls(
            contestant.tripped(_fail), contestant.rejection
        ),
    ),
    Column(
        "threads",
        f"{THREADS} threads",
        bare=lambda _: _calls_in_threads(_succeed),
        guarded=lambda contestant, _: _calls_in_threads(contestant.guard(_succeed, TRIPS_AFTER)),
        rounds_divided_by=20,
    ),
)
