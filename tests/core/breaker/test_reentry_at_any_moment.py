"""Whatever re-enters whenever: counters add up, and each transition is told once, in order.

A garbage collection or a signal handler can run in the middle of anything that
the breaker does. It is played here by a profile function, which runs at the
same moments and as deep inside.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuseboard import (
    Call,
    CircuitBreaker,
    CircuitOpenError,
    ConsecutiveFailures,
    CountWindow,
    FailureRate,
    Permit,
    SlowCallRate,
    State,
    Transition,
    TripPolicy,
)
from tests.core.clock import ManualClock

POLICIES = [
    ConsecutiveFailures(2),
    FailureRate(0.5, CountWindow(4), minimum_calls=2),
    SlowCallRate(5, 0.5, CountWindow(4), minimum_calls=2, in_flight=True) | ConsecutiveFailures(2),
]


def fail() -> None:
    raise RuntimeError


@dataclass
class Ledger:
    """What the caller of a breaker knows of its calls."""

    breaker: CircuitBreaker
    clock: ManualClock
    success: int = 0
    failure: int = 0
    ignored: int = 0
    rejected: int = 0
    permits: list[Permit] = field(default_factory=list)
    told: list[Transition] = field(default_factory=list)
    settled: list[Call] = field(default_factory=list)

    def act(self, action: str) -> None:
        """Do something with the breaker and write down what came of it."""
        breaker = self.breaker
        try:
            match action:
                case "succeed":
                    breaker.call(int)
                    self.success += 1
                case "fail":
                    breaker.call(fail)
                case "acquire":
                    self.permits.append(breaker.acquire())
                case "settle" if self.permits:
                    permit = self.permits.pop(0)
                    if permit.failure("bad"):
                        self.failure += 1
                case "give back" if self.permits:
                    if self.permits.pop().ignore():
                        self.ignored += 1
                case "trip" | "reset" | "force_open":
                    getattr(breaker, action)()
                case "configure":
                    breaker.configure(recovery_timeout=random.choice([5.0, 10.0]))
                case "wait":
                    self.clock.advance(4)
                case "look":
                    assert breaker.snapshot().in_flight >= 0
                    assert breaker.state in State
        except RuntimeError:
            self.failure += 1
        except CircuitOpenError:
            self.rejected += 1

    def check(self) -> None:
        """Check that the breaker has counted the same, and told everything once."""
        while self.permits:
            self.act("settle")
        seen = self.breaker.snapshot()
        counted = seen.calls
        assert (counted.success, counted.failure) == (self.success, self.failure)
        assert (counted.ignored, counted.rejected) == (self.ignored, self.rejected)
        assert (seen.in_flight, seen.probes) == (0, 0)
        assert len(self.settled) == counted.total - counted.rejected
        durations = sum(histogram.count for histogram in seen.durations.values())
        assert durations == len(self.settled)
        # A command that leaves the state as it is is not told to a listener that made it.
        assert moves_of(self.told) == moves_of(seen.history)
        state = State.CLOSED
        moves = 0
        for transition in seen.history:
            assert transition.from_state is state
            moves += transition.to_state is not state
            state = transition.to_state
        assert state is seen.state
        assert sum(seen.transitions.values()) == moves
        spent = sum(seen.state_seconds.values())
        assert spent == pytest.approx(self.clock.now - 1000)


def moves_of(transitions: Iterable[Transition]) -> list[Transition]:
    return [step for step in transitions if step.from_state is not step.to_state]


def ledger_of(trip: TripPolicy) -> Ledger:
    clock = ManualClock()
    breaker = CircuitBreaker(
        "model",
        trip=trip,
        recovery_timeout=5,
        probe_timeout=30,
        history_size=100_000,
        clock=clock,
        wall_clock=clock,
    )
    ledger = Ledger(breaker, clock)
    breaker.on_transition(lambda _, transition: ledger.told.append(transition))
    breaker.on_call(lambda _, call: ledger.settled.append(call))
    return ledger


class ReEnter:
    """Run an action at one moment in the breaker's code: where CPython may run a handler."""

    def __init__(self, moment: int, action: Callable[[], None]) -> None:
        self.left = moment
        self.action = action
        self.happened = False

    def __enter__(self) -> None:
        sys.setprofile(self.on_event)

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def on_event(self, frame: FrameType, event: str, function: object) -> None:
        if event not in {"call", "c_call", "c_return"} or self.happened:
            return
        if event == "c_call" and getattr(function, "__name__", "") == "__exit__":
            return  # nothing runs between the last step under a lock and its release
        if "/fuseboard/breaker/" not in frame.f_code.co_filename:
            return
        self.left -= 1
        if self.left <= 0:
            self.happened = True
            sys.setprofile(None)  # nothing re-enters the action
            self.action()


ACTIONS = st.sampled_from(
    [
        "succeed",
        "fail",
        "fail",
        "acquire",
        "settle",
        "give back",
        "trip",
        "reset",
        "force_open",
        "configure",
        "wait",
        "look",
    ]
)


@settings(max_examples=300)
@given(
    trip=st.sampled_from(POLICIES),
    before=st.lists(ACTIONS, max_size=8),
    interrupted=ACTIONS,
    moment=st.integers(1, 80),
    reentering=st.lists(ACTIONS.filter(lambda action: action != "wait"), min_size=1, max_size=4),
    after=st.lists(ACTIONS, max_size=5),
)
def test_at_any_moment(
    trip: TripPolicy,
    before: list[str],
    interrupted: str,
    moment: int,
    reentering: list[str],
    after: list[str],
) -> None:
    ledger = ledger_of(trip)
    for action in before:
        ledger.act(action)

    def re_enter() -> None:
        for action in reentering:
            ledger.act(action)

    with ReEnter(moment, re_enter):
        ledger.act(interrupted)
    for action in after:
        ledger.act(action)
    ledger.check()


def test_listeners_never_run_while_the_lock_is_held() -> None:
    for moment in range(1, 120):
        ledger = ledger_of(ConsecutiveFailures(1))
        held: list[bool] = []
        breaker = ledger.breaker
        breaker.on_transition(lambda which, _, held=held: held.append(which._lock.locked()))  # type: ignore[misc]
        permit = breaker.acquire()

        def settle(permit: Permit = permit) -> None:
            permit.failure("bad")

        with ReEnter(moment, settle):
            breaker.trip()
            breaker.reset()
        permit.ignore()
        assert len(held) >= 2
        assert not any(held)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no such signals")
def test_under_real_signals() -> None:
    ledger = ledger_of(ConsecutiveFailures(2))
    rng = random.Random(1)
    inside = False

    def handle(_: int, __: object) -> None:
        nonlocal inside
        if not inside:
            inside = True
            ledger.act(rng.choice(["settle", "reset", "trip", "look", "give back", "configure"]))
            inside = False

    usual = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
    try:
        for _ in range(20_000):
            inside_now = rng.random() < 0.3
            if inside_now:
                ledger.clock.advance(rng.choice([0, 1, 5]))
            # A permit that the handler settles in the middle of this is its own business.
            with suppress(CircuitOpenError):
                permit = ledger.breaker.acquire()
                ledger.permits.append(permit)
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
            while len(ledger.permits) > 5:
                ledger.act("settle")
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, usual)
    seen = ledger.breaker.snapshot()
    ledger.rejected = seen.calls.rejected
    ledger.check()


def test_300_calls_with_garbage_that_settles_others() -> None:
    """What `success += take()` lost: 50 of 300 calls."""
    breaker = CircuitBreaker("model")
    succeed = breaker.guard(lambda: None)

    class Garbage:
        def __init__(self) -> None:
            self.itself = self
            self.permit = breaker.acquire()

        def __del__(self) -> None:
            self.permit.success()

    usual = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    try:
        for _ in range(300):
            Garbage()
            succeed()
            breaker.snapshot()
    finally:
        gc.set_threshold(*usual)
    gc.collect()
    seen = breaker.snapshot()
    assert (seen.calls.success, seen.in_flight) == (600, 0)


async def test_nested_and_parallel_calls_add_up() -> None:
    breaker = CircuitBreaker("model", trip=ConsecutiveFailures(10**9))
    rng = random.Random(1)
    made = failed = 0

    async def stream() -> AsyncIterator[int]:
        for number in range(2):
            await asyncio.sleep(0)
            yield number
        if rng.random() < 0.3:
            raise RuntimeError

    async def nested(depth: int) -> None:
        await asyncio.sleep(0)
        if depth and rng.random() < 0.7:
            await asyncio.gather(*(breaker.call(nested, depth - 1) for _ in range(2)))
        breaker.call(int)

    async def one() -> None:
        nonlocal made, failed
        made += 1
        if rng.random() < 0.5:
            await breaker.call(nested, 3)
            return
        try:
            async for _ in breaker.guard(stream)():
                pass
        except RuntimeError:
            failed += 1

    await asyncio.gather(*(one() for _ in range(200)))
    seen = breaker.snapshot()
    assert (seen.calls.total, seen.calls.failure, seen.in_flight) == (made, failed, 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # threads and fork are the subject
def test_forks_amid_calls_of_threads() -> None:
    breaker = CircuitBreaker("model", trip=ConsecutiveFailures(3), recovery_timeout=0.001)
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            for function in (int, fail):
                with suppress(RuntimeError, CircuitOpenError):
                    breaker.call(function)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        codes = [run_in_child(breaker) for _ in range(20)]
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert codes == [0] * 20
    assert breaker.snapshot().in_flight == 0


def run_in_child(breaker: CircuitBreaker) -> int:
    """Fork, use the breaker in the child, and return its exit status."""
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        code = 1
        try:
            before = breaker.snapshot().calls.success
            breaker.reset()
            for _ in range(300):
                breaker.call(int)
            seen = breaker.snapshot()
            code = 0 if (seen.calls.success - before, seen.in_flight) == (300, 0) else 2
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
