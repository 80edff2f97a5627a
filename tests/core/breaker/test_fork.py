"""A forked child has a breaker that is whole, and nothing in flight that is not its own."""

from __future__ import annotations

import gc
import os
import threading
import time
import warnings
from collections.abc import Iterator

import pytest

from fuseboard import (
    CircuitBreaker,
    CircuitOpenError,
    ConsecutiveFailures,
    Registry,
    SlowCallRate,
    State,
    Transition,
)
from fuseboard.breaker.external import ExternalBreaker
from tests.core.child_process import PATIENCE, in_child
from tests.core.clock import ManualClock

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


class Held:
    """A clock whose reading holds up the thread that takes it, under the breaker's lock."""

    def __init__(self) -> None:
        self.holding: threading.Thread | None = None
        self.held = threading.Event()
        self.go_on = threading.Event()

    def __call__(self) -> float:
        if threading.current_thread() is self.holding:
            self.held.set()
            self.go_on.wait(PATIENCE)
        return time.monotonic()


@pytest.fixture
def clock() -> Iterator[Held]:
    clock = Held()
    yield clock
    clock.go_on.set()
    if clock.holding is not None:
        clock.holding.join()


def hold_lock(breaker: CircuitBreaker, clock: Held) -> None:
    clock.holding = threading.Thread(target=breaker.snapshot)
    clock.holding.start()
    assert clock.held.wait(PATIENCE)


def test_while_another_thread_holds_the_lock(clock: Held) -> None:
    """sentry-python#6148."""
    breaker = CircuitBreaker("model", clock=clock, trip=ConsecutiveFailures(1))
    told: list[str] = []
    breaker.on_transition(lambda _, transition: told.append(transition.reason))
    hold_lock(breaker, clock)

    def check() -> None:
        breaker.call(int)
        breaker.trip()
        assert breaker.snapshot().state is State.OPEN
        assert told == ["tripped by hand"]

    in_child(check)


def test_while_another_thread_holds_the_lock_of_a_registry() -> None:
    registry = Registry()
    reported = ExternalBreaker("reported")
    registry.add(reported)
    held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with registry._lock, registry.pools._lock, reported._lock:
            held.set()
            go_on.wait(PATIENCE)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(PATIENCE)

    def check() -> None:
        registry.breaker("model").call(int)
        assert len(registry.snapshots()) == 2
        assert registry.pools.names() == ()

    try:
        in_child(check)
    finally:
        go_on.set()
        thread.join()


def test_while_another_thread_delivers_events() -> None:
    breaker = CircuitBreaker("model")
    told: list[Transition] = []
    delivering, go_on = threading.Event(), threading.Event()
    parent = os.getpid()

    def listen(_: CircuitBreaker, transition: Transition) -> None:
        told.append(transition)
        if os.getpid() == parent:
            delivering.set()
            go_on.wait(PATIENCE)

    breaker.on_transition(listen)
    thread = threading.Thread(target=breaker.trip)
    thread.start()
    assert delivering.wait(PATIENCE)
    breaker.reset()  # it waits for the thread that delivers

    def check() -> None:
        told.clear()
        breaker.force_open()
        assert [transition.reason for transition in told] == ["forced open by hand"]

    try:
        in_child(check)
    finally:
        go_on.set()
        thread.join()
    assert len(told) == 2


def test_inside_a_listener() -> None:
    breaker = CircuitBreaker("model")
    reasons: list[str] = []

    def listen(_: CircuitBreaker, transition: Transition) -> None:
        reasons.append(transition.reason)
        if transition.reason == "tripped by hand":
            in_child(check)

    def check() -> None:
        breaker.reset()
        assert reasons == ["tripped by hand"]  # it is told when this listener has returned

    breaker.on_transition(listen)
    breaker.trip()
    breaker.reset()
    assert reasons == ["tripped by hand", "reset by hand"]


class TestCallsInFlight:
    def test_of_other_threads_are_not_the_childs(self) -> None:
        breaker = CircuitBreaker("model")
        running, go_on = threading.Barrier(3, timeout=PATIENCE), threading.Event()

        def work() -> None:
            running.wait()
            go_on.wait(PATIENCE)

        threads = [threading.Thread(target=breaker.call, args=(work,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        running.wait()
        assert breaker.snapshot().in_flight == 2

        def check() -> None:
            assert breaker.snapshot().in_flight == 0
            breaker.call(int)
            assert breaker.snapshot().in_flight == 0

        try:
            in_child(check)
        finally:
            go_on.set()
            for thread in threads:
                thread.join()
        assert breaker.snapshot().calls.success == 2

    def test_the_call_that_forks_goes_on_in_the_child(self) -> None:
        breaker = CircuitBreaker("model")

        def check() -> None:
            assert breaker.snapshot().in_flight == 1

        breaker.call(in_child, check)
        assert breaker.snapshot().in_flight == 0

    def test_permits_of_the_parent_settle_nothing(self) -> None:
        breaker = CircuitBreaker("model")
        permit = breaker.acquire()

        def check() -> None:
            assert breaker.snapshot().in_flight == 0
            assert not permit.failure("the parent's")
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                gc.collect()
            assert breaker.snapshot().calls.total == 0

        in_child(check)
        assert permit.success()

    async def test_coroutines_of_the_parent(self) -> None:
        breaker = CircuitBreaker("model")

        async def outer() -> None:
            in_child(check)

        def check() -> None:
            assert breaker.snapshot().in_flight == 0

        await breaker.call(outer)
        assert breaker.snapshot().in_flight == 0

    def test_probes_of_the_parent_take_no_place(self) -> None:
        clock = ManualClock()
        breaker = CircuitBreaker("model", recovery_timeout=10, probe_timeout=60, clock=clock)
        breaker.trip()
        clock.advance(10)
        probe = breaker.acquire()

        def check() -> None:
            seen = breaker.snapshot()
            assert (seen.state, seen.probes) == (State.HALF_OPEN, 0)
            breaker.call(int)
            assert breaker.state is State.CLOSED

        in_child(check)
        with pytest.raises(CircuitOpenError):
            breaker.acquire()
        probe.ignore()

    def test_slow_ones_of_the_parent_do_not_open_it(self) -> None:
        clock = ManualClock()
        slow = SlowCallRate(2, 0.5, minimum_calls=1, in_flight=True)
        breaker = CircuitBreaker("model", trip=slow, clock=clock)
        permit = breaker.acquire()

        def check() -> None:
            clock.advance(5)
            assert breaker.state is State.CLOSED
            breaker.call(int)

        in_child(check)
        permit.success()

    def test_an_opening_goes_on(self) -> None:
        clock = ManualClock()
        breaker = CircuitBreaker("model", recovery_timeout=10, clock=clock)
        breaker.trip()
        clock.advance(4)

        def check() -> None:
            assert breaker.snapshot().retry_after == 6
            clock.advance(6)
            assert breaker.state is State.HALF_OPEN

        in_child(check)


def test_a_grandchild() -> None:
    breaker = CircuitBreaker("model")
    permits = [breaker.acquire() for _ in range(3)]

    def check() -> None:
        breaker.call(in_child, check_again)

    def check_again() -> None:
        assert breaker.snapshot().in_flight == 1

    in_child(check)
    for permit in permits:
        permit.success()
