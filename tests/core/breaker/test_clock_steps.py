"""A breaker, seen from outside, while the wall clock is set and while the process is stopped."""

from __future__ import annotations

import time

import pytest

from fuseboard import CircuitBreaker, CircuitOpenError, ConsecutiveFailures
from fuseboard.breaker.external import ExternalBreaker
from fuseboard.breaker.state import State
from tests.core.clock import ManualClock


def fail() -> None:
    raise ConnectionError("refused")


def tripped(clock: ManualClock) -> CircuitBreaker:
    breaker = CircuitBreaker("model", trip=ConsecutiveFailures(2), recovery_timeout=10, clock=clock)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            breaker.call(fail)
    return breaker


@pytest.mark.parametrize("step", [3600.0, -3600.0])
def test_a_wall_clock_that_is_set_moves_no_state(
    step: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall = [1_800_000_000.0]
    monkeypatch.setattr(time, "time", lambda: wall[0])
    clock = ManualClock()
    breaker, external = tripped(clock), ExternalBreaker("other", clock=clock)
    external.set_state(State.OPEN)
    wall[0] += step
    clock.advance(4)
    for each in (breaker, external):
        seen = each.snapshot()
        assert (seen.state, seen.seconds_in_state) == (State.OPEN, 4)
        assert min(seen.state_seconds.values()) >= 0
    assert breaker.snapshot().retry_after == 6
    with pytest.raises(CircuitOpenError) as rejection:
        breaker.call(fail)
    assert rejection.value.retry_after == 6
    clock.advance(6)
    assert breaker.call(lambda: "answer") == "answer"
    assert breaker.state is State.CLOSED
    assert breaker.snapshot().seconds_in_state == 0


@pytest.mark.parametrize("seconds", [60.0, 86_400.0])
def test_after_a_stop_an_open_breaker_probes_once(seconds: float) -> None:
    clock = ManualClock()
    breaker = tripped(clock)
    clock.advance(seconds)
    assert breaker.state is State.HALF_OPEN
    probe = breaker.acquire()
    with pytest.raises(CircuitOpenError):
        breaker.acquire()
    probe.success()
    assert breaker.state is State.CLOSED
    assert breaker.snapshot().in_flight == 0


def test_a_stop_during_a_call_trips_nothing() -> None:
    clock = ManualClock()
    breaker = CircuitBreaker("model", trip=ConsecutiveFailures(2), clock=clock)
    permits = [breaker.acquire() for _ in range(5)]
    clock.advance(60)
    for permit in permits:
        permit.success()
    seen = breaker.snapshot()
    assert (seen.state, seen.calls.success, seen.in_flight) == (State.CLOSED, 5, 0)
