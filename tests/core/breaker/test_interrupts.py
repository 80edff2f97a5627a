"""An interrupt between any two lines leaves no lock, flag or count behind (python-ecdsa#238)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any

import pytest

from fuseboard import CircuitBreaker, CircuitOpenError, ConsecutiveFailures, State, Transition
from tests.core.clock import ManualClock


class Interrupt(KeyboardInterrupt):
    """Ctrl+C at a chosen moment."""


class InterruptAfter:
    """Raise `Interrupt` at the `number`-th moment in the breaker's code where a signal may do so.

    CPython delivers signals when a function begins and when one written in C
    has returned, never between two steps that call nothing. Where `__del__()`
    begins nothing can be done about it: Python swallows it and goes no further.
    """

    def __init__(self, number: int) -> None:
        self.left = number
        self.happened = False
        self.where = ""

    def __enter__(self) -> None:
        sys.setprofile(self.on_event)

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def on_event(self, frame: FrameType, event: str, argument: object) -> None:
        ours = "/fuseboard/breaker/" in frame.f_code.co_filename
        if event not in {"call", "c_return"} or not ours or self.happened:
            return
        if event == "call" and frame.f_code.co_name == "__del__":
            return
        self.left -= 1
        if self.left <= 0:
            self.happened = True
            sys.setprofile(None)
            self.where = f"{event} in {frame.f_code.co_qualname}, line {frame.f_lineno}"
            raise Interrupt


def fail() -> None:
    raise RuntimeError


def stream() -> Iterator[int]:
    yield from range(3)


def succeed_twice(breaker: CircuitBreaker) -> None:
    breaker.call(int)
    breaker.call(int)


def fail_once(breaker: CircuitBreaker) -> None:
    with suppress(RuntimeError):
        breaker.call(fail)


def be_rejected(breaker: CircuitBreaker) -> None:
    breaker.trip()
    with suppress(CircuitOpenError):
        breaker.call(int)


def use_a_permit(breaker: CircuitBreaker) -> None:
    with breaker.acquire():
        breaker.call(int)


def read_a_stream(breaker: CircuitBreaker) -> None:
    for _ in breaker.guard(stream)():
        pass


def look(breaker: CircuitBreaker) -> None:
    breaker.snapshot()
    assert breaker.state in State


def command(breaker: CircuitBreaker) -> None:
    breaker.trip()
    breaker.configure(max_probes=2)
    breaker.reset()


WORK: list[Callable[[CircuitBreaker], None]] = [
    succeed_twice,
    fail_once,
    be_rejected,
    use_a_permit,
    read_a_stream,
    look,
    command,
]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("half_open", [False, True])
@pytest.mark.parametrize("work", WORK)
def test_wherever_it_comes(work: Callable[[CircuitBreaker], None], half_open: bool) -> None:
    number = 0
    interrupted = True
    while interrupted:
        number += 1
        clock = ManualClock()
        breaker = CircuitBreaker(
            "model", trip=ConsecutiveFailures(2), recovery_timeout=10, clock=clock
        )
        told: list[Transition] = []
        breaker.on_transition(partial(remember, told))
        if half_open:
            breaker.trip()
            clock.advance(10)
        interrupt = InterruptAfter(number)
        with suppress(Interrupt), interrupt:
            work(breaker)
        interrupted = interrupt.happened
        try:
            check_whole(breaker, clock, told)
        except AssertionError as error:
            error.add_note(f"interrupted at moment {number}: {interrupt.where}")
            raise
    assert number > 5


def remember(told: list[Transition], _: CircuitBreaker, transition: Transition) -> None:
    told.append(transition)


def check_whole(breaker: CircuitBreaker, clock: ManualClock, told: list[Transition]) -> None:
    """Check that nothing is held, and that the breaker still does all it should."""
    assert not breaker._lock.locked()
    seen = breaker.snapshot()
    assert (seen.in_flight, seen.probes) == (0, 0)
    breaker.reset()
    clock.advance(1)
    before = breaker.snapshot().calls
    told.clear()
    for _ in range(2):
        with suppress(RuntimeError):
            breaker.call(fail)
    assert breaker.state is State.OPEN
    with pytest.raises(CircuitOpenError):
        breaker.call(int)
    clock.advance(10)
    breaker.call(int)
    after = breaker.snapshot()
    assert after.state is State.CLOSED
    assert after.calls.failure - before.failure == 2
    assert after.calls.success - before.success == 1
    assert after.in_flight == 0
    steps = [(step.from_state, step.to_state) for step in told]
    assert steps == [
        (State.CLOSED, State.OPEN),
        (State.OPEN, State.HALF_OPEN),
        (State.HALF_OPEN, State.CLOSED),
    ]


def test_a_listener_that_is_interrupted_does_not_silence_the_others() -> None:
    breaker = CircuitBreaker("model")
    told: list[tuple[str, str]] = []

    def first(_: CircuitBreaker, transition: Transition) -> None:
        told.append(("first", transition.reason))

    def second(_: CircuitBreaker, transition: Transition) -> None:
        if not told[1:]:
            raise KeyboardInterrupt
        told.append(("second", transition.reason))

    def third(_: CircuitBreaker, transition: Transition) -> None:
        told.append(("third", transition.reason))

    for listener in (first, second, third):
        breaker.on_transition(listener)
    with pytest.raises(KeyboardInterrupt):
        breaker.trip()
    breaker.reset()
    assert told == [
        ("first", "tripped by hand"),
        ("third", "tripped by hand"),
        ("first", "reset by hand"),
        ("second", "reset by hand"),
        ("third", "reset by hand"),
    ]


async def test_an_interrupted_coroutine_is_not_in_flight() -> None:
    breaker = CircuitBreaker("model")

    async def interrupted() -> Any:
        raise KeyboardInterrupt

    coroutine = breaker.guard(interrupted)()
    with pytest.raises(KeyboardInterrupt):
        coroutine.send(None)
    assert breaker.snapshot().in_flight == 0
    assert breaker.snapshot().calls.ignored == 1
