"""Bugs that the users of other circuit breakers met; none may come back here.

The issues named are of those libraries.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
import threading
import time
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from fuseboard import (
    Backoff,
    CircuitBreaker,
    CircuitOpenError,
    ConsecutiveFailures,
    CountWindow,
    FailureRate,
    Permit,
    RejectedBecause,
    SlowCallRate,
    State,
)
from fuseboard.breaker.registry import Registry
from fuseboard.http.transport import RequestRejectedError
from fuseboard.metrics.collector import BreakerCollector
from tests.core.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def breaker(clock: ManualClock) -> CircuitBreaker:
    return CircuitBreaker(
        "model",
        trip=ConsecutiveFailures(2),
        recovery_timeout=10,
        probe_timeout=60,
        ignore=LookupError,
        clock=clock,
    )


def fail(kind: type[BaseException] = RuntimeError) -> None:
    raise kind


def half_open(breaker: CircuitBreaker, clock: ManualClock) -> None:
    breaker.trip()
    clock.advance(10)
    assert breaker.state is State.HALF_OPEN


@pytest.mark.parametrize("end", [LookupError, KeyboardInterrupt, asyncio.CancelledError])
def test_a_probe_that_proves_nothing_gives_its_permit_back(
    breaker: CircuitBreaker, clock: ManualClock, end: type[BaseException]
) -> None:
    """resilience4j#544 #903 #1389, opossum#388 #276, Polly#1979."""
    half_open(breaker, clock)
    for _ in range(3):
        with pytest.raises(end):
            breaker.call(fail, end)
    assert breaker.snapshot().probes == 0
    breaker.call(int)
    assert breaker.state is State.CLOSED


def test_a_probe_that_never_settles_does_not_wedge_it(
    breaker: CircuitBreaker, clock: ManualClock
) -> None:
    """resilience4j#935; interlock and nopanic hang for ever."""
    half_open(breaker, clock)
    hanging = breaker.acquire()
    clock.advance(60 + 10)
    assert breaker.call(int) == 0
    assert breaker.state is State.CLOSED
    assert [step.reason for step in breaker.history][2] == "probe failed: no result within 60 s"
    hanging.ignore()


async def test_cancellations_neither_open_nor_close_it(
    breaker: CircuitBreaker, clock: ManualClock
) -> None:
    """A cancelled probe closes circuitbreaker, five cancels open purgatory; resilience4j#682."""

    async def cancelled_call() -> None:
        task = asyncio.create_task(breaker.call(asyncio.Event().wait))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    for _ in range(5):
        await cancelled_call()
    assert breaker.state is State.CLOSED
    half_open(breaker, clock)
    await cancelled_call()
    assert breaker.state is State.HALF_OPEN


class TestLateResults:
    """circuitbreaker, purgatory, pyresilience, nopanic; Polly#216-#223."""

    def test_a_late_success_does_not_close_it(
        self, breaker: CircuitBreaker, clock: ManualClock
    ) -> None:
        early, earlier = breaker.acquire(), breaker.acquire()
        breaker.trip()
        early.success()
        assert breaker.state is State.OPEN
        clock.advance(10)
        earlier.success()
        assert breaker.state is State.HALF_OPEN

    def test_a_late_failure_does_not_lengthen_it(
        self, breaker: CircuitBreaker, clock: ManualClock
    ) -> None:
        early = breaker.acquire()
        breaker.trip()
        clock.advance(6)
        early.failure("late")
        assert breaker.snapshot().retry_after == 4

    def test_a_probe_of_an_earlier_round_does_not_settle_this_one(
        self, breaker: CircuitBreaker, clock: ManualClock
    ) -> None:
        half_open(breaker, clock)
        stale = breaker.acquire()
        half_open(breaker, clock)
        stale.success()
        seen = breaker.snapshot()
        assert (seen.state, seen.late) == (State.HALF_OPEN, 1)


def test_probes_do_not_stampede(breaker: CircuitBreaker, clock: ManualClock) -> None:
    """All 20 of 20 go through in five libraries; Polly#216 #254, opossum#119."""
    half_open(breaker, clock)
    permits, rejections = [], []
    for _ in range(20):
        try:
            permits.append(breaker.acquire())
        except CircuitOpenError as rejection:
            rejections.append(rejection.rejected_because)
    assert len(permits) == 1
    assert set(rejections) == {RejectedBecause.HALF_OPEN_FULL}
    permits[0].ignore()


def test_calls_run_beside_each_other() -> None:
    """pybreaker holds its lock during the call: #3 #40 #41 #57."""
    breaker = CircuitBreaker("model")
    together = threading.Barrier(8, timeout=10)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: breaker.call(together.wait), range(8)))
    assert breaker.snapshot().calls.success == 8


def test_one_breaker_serves_several_event_loops(breaker: CircuitBreaker) -> None:
    """aiobreaker#3: locks bound to the loop that was running first."""

    async def answer() -> int:
        await asyncio.sleep(0)
        return 1

    guarded = breaker.guard(answer)
    for _ in range(2):
        assert asyncio.run(guarded()) == 1
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda _: asyncio.run(guarded()), range(4))) == [1] * 4


def test_a_callback_may_call_back(breaker: CircuitBreaker) -> None:
    """gobreaker#37 #119: callbacks under the lock deadlock."""
    seen = []
    breaker.on_transition(lambda which, _: seen.append(which.snapshot().state))
    breaker.trip()
    assert seen == [State.OPEN]


def test_a_bad_listener_does_not_break_calls(
    breaker: CircuitBreaker, caplog: pytest.LogCaptureFixture
) -> None:
    """pybreaker, aiobreaker and purgatory let it through."""
    received = []
    for kind in (breaker.on_call, breaker.on_transition):
        kind(lambda *_: 1 / 0)  # type: ignore[arg-type]
        kind(lambda *_: received.append(1))
    assert breaker.call(int) == 0
    breaker.trip()
    assert len(received) == 2
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2


async def test_streams_are_judged_at_their_end(breaker: CircuitBreaker) -> None:
    """interlock, fluxgate, pyresilience judge when they begin; litellm#29602."""

    async def cut() -> AsyncGenerator[int, None]:
        yield 1
        raise ConnectionError

    def whole() -> Generator[int, None, None]:
        yield from (1, 2)

    with pytest.raises(ConnectionError):
        async for _ in breaker.call(cut):
            pass
    with closing(breaker.call(whole)) as items:  # pybreaker counts this as a failure
        next(items)
    async with aclosing(breaker.call(cut)):
        pass  # nothing came, so that nothing is known
    calls = breaker.snapshot().calls
    assert (calls.success, calls.failure, calls.total) == (1, 1, 2)


def test_a_good_status_with_a_bad_body_is_a_failure() -> None:
    """GoModel#1015; what is on the wire is judged in test_transport.py."""
    breaker = CircuitBreaker("model", failure_on_result=lambda answer: "error" in answer)
    breaker.call(lambda: {"status": 200, "error": "out of memory"})
    assert breaker.snapshot().calls.failure == 1


async def test_coroutine_functions_are_not_passed_through_unprotected(
    breaker: CircuitBreaker,
) -> None:
    """pybreaker#7, open since 2016."""

    async def fail_later() -> None:
        await asyncio.sleep(0)
        raise RuntimeError

    for _ in range(2):
        with pytest.raises(RuntimeError):
            await breaker.guard(fail_later)()
    assert breaker.state is State.OPEN


def test_a_block_is_not_entered_when_it_is_open(breaker: CircuitBreaker) -> None:
    """`with circuitbreaker:` never rejects."""
    breaker.trip()
    with pytest.raises(CircuitOpenError), breaker.acquire():
        pytest.fail("entered")


def test_time_acts_without_a_call(breaker: CircuitBreaker, clock: ManualClock) -> None:
    """Polly#481, resilience4j#279: the state is stale until the next call."""
    registry = Registry()
    registry.add(breaker)
    collectors = CollectorRegistry()
    collectors.register(BreakerCollector(registry))
    breaker.trip()
    clock.advance(10)
    assert b'circuit_breaker_state{breaker_name="model"} 2.0' in generate_latest(collectors)
    assert breaker.history[-1].to_state is State.HALF_OPEN


def test_a_scrape_cannot_miss_a_short_opening(breaker: CircuitBreaker, clock: ManualClock) -> None:
    """A gauge alone shows only what it stood at; and no series may be missing at the start."""
    registry = Registry()
    registry.add(breaker)
    collectors = CollectorRegistry()
    collectors.register(BreakerCollector(registry))
    before = generate_latest(collectors).decode()
    half_open(breaker, clock)
    breaker.call(int)
    after = generate_latest(collectors).decode()

    def names(exposition: str) -> set[str]:
        return {line.rpartition(" ")[0] for line in exposition.splitlines()}

    assert names(before) == names(after)
    assert 'state_seconds_total{breaker_name="model",state="OPEN"} 10.0' in after


def test_wall_clock_and_time_zone_are_no_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """aiobreaker's remaining time is 5:00:10 in New York and a TypeError in Tokyo."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    clock, wall = ManualClock(), ManualClock(1e9)
    breaker = CircuitBreaker("model", recovery_timeout=10, clock=clock, wall_clock=wall)
    breaker.trip()
    wall.advance(-86_400)
    clock.advance(4)
    assert breaker.snapshot().retry_after == 6
    monkeypatch.undo()
    time.tzset()


def test_jitter_is_drawn_once_an_opening(clock: ManualClock) -> None:
    """fluxgate draws for each call: 10 s ± 50 % admits at 6 s in 99 % of busy runs."""
    draws = []

    def draw() -> float:
        draws.append(1)
        return 0.5

    breaker = CircuitBreaker(
        "model", recovery_timeout=Backoff(10, jitter=0.5), clock=clock, draw=draw
    )
    breaker.trip()
    for _ in range(1000):
        with pytest.raises(CircuitOpenError) as caught:
            breaker.call(int)
    assert len(draws) == 1
    assert caught.value.retry_after == breaker.snapshot().retry_after == 7.5


def test_half_open_has_a_verdict_of_its_own(clock: ManualClock) -> None:
    """fluxgate uses the closed state's thresholds: 99 failed probes and still half-open."""
    breaker = CircuitBreaker(
        "model",
        trip=FailureRate(0.5, CountWindow(100), minimum_calls=100),
        recovery_timeout=10,
        clock=clock,
    )
    half_open(breaker, clock)
    breaker.acquire().failure("bad")
    assert breaker.state is State.OPEN


def test_each_rejection_is_an_exception_of_its_own(breaker: CircuitBreaker) -> None:
    """purgatory raises one again and again: 2,500 traceback entries after 500 rejections."""
    breaker.force_open()
    lengths, rejections = set(), []
    for _ in range(50):
        with pytest.raises(CircuitOpenError) as caught:
            breaker.call(int)
        rejections.append(caught.value)
        lengths.add(len(caught.traceback))
    assert len(set(map(id, rejections))) == 50
    assert len(lengths) == 1
    copied = pickle.loads(pickle.dumps(rejections[0]))
    assert (type(copied), copied.args) == (CircuitOpenError, rejections[0].args)
    on_the_wire = RequestRejectedError.from_rejection(rejections[0])
    assert httpx.TransportError in type(on_the_wire).__bases__
    assert pickle.loads(pickle.dumps(on_the_wire)).retry_after is None


def test_the_error_that_trips_it_is_raised_as_it_is(breaker: CircuitBreaker) -> None:
    """pybreaker replaces it by its own."""
    for _ in range(2):
        with pytest.raises(RuntimeError):
            breaker.call(fail)
    assert breaker.state is State.OPEN


def test_what_is_ignored_is_no_success(breaker: CircuitBreaker) -> None:
    """pybreaker, aiobreaker, opossum and interlock let it end a streak of failures."""
    for kind in (RuntimeError, LookupError, RuntimeError):
        with pytest.raises(kind):
            breaker.call(fail, kind)
    assert breaker.state is State.OPEN
    assert breaker.snapshot().calls.ignored == 1


def test_rejections_do_not_thin_the_failure_rate(clock: ManualClock) -> None:
    """opossum counts them in its window."""
    breaker = CircuitBreaker(
        "model", trip=FailureRate(0.5, minimum_calls=4), recovery_timeout=10, clock=clock
    )
    permits: list[Permit] = [breaker.acquire() for _ in range(4)]
    breaker.force_open()
    for _ in range(100):
        with pytest.raises(CircuitOpenError):
            breaker.call(int)
    breaker.reset()
    for permit in permits:
        permit.failure("of before the reset")
    for outcome in (True, True, False, False):
        permit = breaker.acquire()
        permit.success() if outcome else permit.failure("bad")
    assert breaker.state is State.OPEN


@pytest.mark.parametrize("first_item", [False, True])
def test_a_pile_of_hanging_calls_opens_it_before_they_end(
    clock: ManualClock, first_item: bool
) -> None:
    """gobreaker#91, resilience4j#1597: what hangs is not seen until it is over."""
    breaker = CircuitBreaker(
        "model",
        trip=SlowCallRate(5, 0.5, minimum_calls=4, first_item=first_item, in_flight=True),
        recovery_timeout=10,
        clock=clock,
    )
    flowing = breaker.acquire()
    flowing.first_item()
    hanging = [breaker.acquire() for _ in range(3)]
    clock.advance(4)
    breaker.acquire().success()
    assert breaker.state is State.CLOSED
    clock.advance(1)
    seen = breaker.snapshot()
    assert seen.state is State.OPEN
    assert seen.history[-1].at == seen.changed_at
    assert "took longer than 5 s" in seen.why
    for permit in (flowing, *hanging):
        permit.success()
    assert breaker.snapshot().late == 4
