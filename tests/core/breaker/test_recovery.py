"""How long a breaker stays open, and what its probes must show."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseboard import Backoff, CircuitBreaker, CircuitOpenError, ConsecutiveFailures, State
from tests.core.clock import ManualClock


def opening_lengths(breaker: CircuitBreaker, clock: ManualClock, times: int) -> list[float]:
    lengths = []
    for _ in range(times):
        breaker.acquire().failure("bad")
        length = breaker.snapshot().retry_after
        assert length is not None
        lengths.append(length)
        clock.advance(length)
    return lengths


def backing_off(clock: ManualClock, backoff: Backoff, draw: float = 0.0) -> CircuitBreaker:
    return CircuitBreaker(
        "model",
        trip=ConsecutiveFailures(1),
        recovery_timeout=backoff,
        clock=clock,
        draw=lambda: draw,
    )


class TestBackoff:
    def test_grows_with_each_opening_up_to_the_cap(self) -> None:
        clock = ManualClock()
        breaker = backing_off(clock, Backoff(5, multiplier=2, cap=30, jitter=0))
        assert opening_lengths(breaker, clock, 5) == [5, 10, 20, 30, 30]

    def test_starts_anew_once_it_was_closed(self) -> None:
        clock = ManualClock()
        breaker = backing_off(clock, Backoff(5, multiplier=2, cap=30, jitter=0))
        opening_lengths(breaker, clock, 3)
        breaker.acquire().success()
        assert opening_lengths(breaker, clock, 2) == [5, 10]

    def test_says_how_long_it_was(self) -> None:
        clock = ManualClock()
        breaker = backing_off(clock, Backoff(8, jitter=0.5), draw=1.0)
        opening_lengths(breaker, clock, 1)
        assert breaker.state is State.HALF_OPEN
        assert breaker.snapshot().why == "recovery timeout of 4 s is over"

    @given(
        initial=st.floats(0.001, 100),
        multiplier=st.floats(1, 10),
        jitter=st.floats(0, 0.99),
        draw=st.floats(0, 1),
        opening=st.integers(1, 10_000),
    )
    def test_is_never_beyond_its_bounds(
        self, initial: float, multiplier: float, jitter: float, draw: float, opening: int
    ) -> None:
        seconds = Backoff(initial, multiplier, 500, jitter).seconds(opening, draw)
        assert initial * (1 - jitter) * 0.999 <= seconds <= 500

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"initial": 0}, "initial"),
            ({"initial": 1, "multiplier": 0.5}, "multiplier"),
            ({"initial": 10, "cap": 5}, "cap"),
            ({"initial": 1, "jitter": 1}, "jitter"),
        ],
    )
    def test_refuses_senseless_settings(self, settings: dict[str, float], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            Backoff(**settings)


class TestRetryAfter:
    def breaker(self, clock: ManualClock) -> CircuitBreaker:
        return CircuitBreaker(
            "model",
            trip=ConsecutiveFailures(2),
            recovery_timeout=10,
            longest_retry_after=100,
            clock=clock,
        )

    def test_lengthens_the_opening(self) -> None:
        clock = ManualClock()
        breaker = self.breaker(clock)
        breaker.acquire().failure("HTTP 429", retry_after=40)
        clock.advance(5)
        breaker.acquire().failure("HTTP 500")
        assert breaker.snapshot().retry_after == 35
        assert breaker.snapshot().recovery_timeout == 35
        clock.advance(35)
        assert breaker.snapshot().why == "Retry-After of 35 s is over"

    def test_never_shortens_it(self) -> None:
        breaker = self.breaker(ManualClock())
        for _ in range(2):
            breaker.acquire().failure("HTTP 429", retry_after=1)
        assert breaker.snapshot().retry_after == 10

    def test_is_cut_to_the_longest(self) -> None:
        breaker = self.breaker(ManualClock())
        for _ in range(2):
            breaker.acquire().failure("HTTP 429", retry_after=1e9)
        assert breaker.snapshot().retry_after == 100

    def test_comes_with_an_exception_too(self) -> None:
        class BusyError(Exception):
            retry_after = 60

        def busy() -> None:
            raise BusyError

        breaker = self.breaker(ManualClock())
        for _ in range(2):
            with pytest.raises(BusyError):
                breaker.call(busy)
        assert breaker.snapshot().retry_after == 60

    def test_that_is_no_number_settles_nothing(self) -> None:
        breaker = self.breaker(ManualClock())
        permit = breaker.acquire()
        with pytest.raises(TypeError, match=r"takes seconds, not \[5\]"):
            permit.failure("HTTP 429", retry_after=[5])  # type: ignore[arg-type]
        assert breaker.snapshot().consecutive_failures == 0
        assert permit.failure("HTTP 429", retry_after=5)

    def test_that_cannot_be_read_is_logged_and_the_failure_counted(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        class BusyError(Exception):
            @property
            def retry_after(self) -> float:
                raise KeyError("retry-after")

        def busy() -> None:
            raise BusyError

        breaker = self.breaker(ManualClock())
        for _ in range(2):
            with pytest.raises(BusyError):
                breaker.call(busy)
        seen = breaker.snapshot()
        assert (seen.calls.failure, seen.in_flight, seen.retry_after) == (2, 0, 10)
        assert "retry_after" in caplog.text

    def test_of_an_inner_breaker_reaches_the_outer_one(self) -> None:
        clock = ManualClock()
        inner = CircuitBreaker("inner", recovery_timeout=50, clock=clock)
        inner.trip()
        outer = self.breaker(clock)
        for _ in range(2):
            with pytest.raises(CircuitOpenError, match="inner"):
                outer.call(inner.call, int)
        assert outer.snapshot().retry_after == 50

    def test_is_forgotten_once_it_was_closed(self) -> None:
        clock = ManualClock()
        breaker = self.breaker(clock)
        breaker.acquire().failure("HTTP 429", retry_after=90)
        breaker.reset()
        breaker.trip()
        assert breaker.snapshot().retry_after == 10


def test_settings_change_while_it_runs() -> None:
    clock = ManualClock()
    breaker = CircuitBreaker("model", recovery_timeout=10, clock=clock)
    breaker.trip()
    breaker.configure(recovery_timeout=99, trip=ConsecutiveFailures(1))
    assert breaker.snapshot().retry_after == 10  # what is under way stays as it was announced
    clock.advance(10)
    breaker.acquire().success()
    breaker.acquire().failure("bad")
    assert breaker.snapshot().retry_after == 99
    assert breaker.settings.max_probes == 1
    with pytest.raises(ValueError, match="max_probes"):
        breaker.configure(max_probes=0, recovery_timeout=1)
    assert breaker.settings.recovery_timeout == 99


def test_a_shorter_probe_timeout_does_not_change_the_past() -> None:
    clock = ManualClock()
    breaker = CircuitBreaker("model", recovery_timeout=10, max_probes=2, clock=clock)
    received: list[str] = []
    breaker.on_transition(lambda _, transition: received.append(transition.reason))
    breaker.trip()
    clock.advance(10)
    hanging = breaker.acquire()
    clock.advance(60)
    breaker.configure(probe_timeout=5)
    clock.advance(1)
    with pytest.raises(CircuitOpenError, match="no result within 60 s"):
        breaker.acquire()
    spent = breaker.snapshot().state_seconds
    assert (spent[State.HALF_OPEN], spent[State.OPEN]) == (60, 11)
    clock.advance(9)
    breaker.configure(recovery_timeout=20)  # it had become half-open by the old settings
    assert received[-1] == "recovery timeout of 10 s is over"
    breaker.acquire().failure("bad")
    assert breaker.snapshot().retry_after == 20
    hanging.ignore()
