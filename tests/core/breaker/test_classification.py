"""What exceptions and results prove: success, failure, or nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseboard import Call, CircuitBreaker, ConsecutiveFailures, FailureRate, State, Verdict
from fuseboard.breaker.retry_after import parse_http_date, read_retry_after
from tests.core.clock import ManualClock


class NotFoundError(Exception):
    pass


class StatusError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class WrapperError(Exception):
    pass


def verdict_on(error: BaseException, **settings: Any) -> tuple[Verdict, str]:
    """Return verdict and reason of a call that raises this."""
    breaker = CircuitBreaker("model", **settings)
    calls: list[Call] = []
    breaker.on_call(lambda _, call: calls.append(call))

    def fail() -> None:
        raise error

    with pytest.raises(type(error)):
        breaker.call(fail)
    (call,) = calls
    return call.ruling.verdict, call.ruling.reason


class TestProofOfLife:
    """resilience4j#568: an exception can say that the service works."""

    @pytest.mark.parametrize(
        "success_on",
        [
            NotFoundError,
            (KeyError, NotFoundError),
            [NotFoundError],
            lambda error: isinstance(error, NotFoundError),
        ],
    )
    def test_by_types_and_predicates(self, success_on: Any) -> None:
        verdict = verdict_on(NotFoundError(), success_on=success_on)
        assert verdict == (Verdict.SUCCESS, "NotFoundError")
        assert verdict_on(OSError(), success_on=success_on) == (Verdict.FAILURE, "OSError")

    def test_goes_before_ignore_and_after_unsent(self) -> None:
        found = verdict_on(NotFoundError(), success_on=NotFoundError, ignore=Exception)
        assert found[0] is Verdict.SUCCESS
        unsent = verdict_on(NotFoundError(), success_on=NotFoundError, unsent_on=NotFoundError)
        assert unsent[0] is Verdict.IGNORED

    @pytest.mark.parametrize("kind", ["call", "guard", "permit", "coroutine", "generator"])
    def test_closes_a_half_open_breaker(self, kind: str) -> None:
        clock = ManualClock()
        breaker = CircuitBreaker(
            "model", success_on=NotFoundError, recovery_timeout=10, clock=clock
        )

        def fail() -> None:
            raise NotFoundError

        async def fail_later() -> None:
            raise NotFoundError

        def fail_at_once() -> Any:
            raise NotFoundError
            yield

        def in_a_block() -> None:
            with breaker.acquire():
                raise NotFoundError

        ways: dict[str, Callable[[], Any]] = {
            "call": lambda: breaker.call(fail),
            "guard": breaker.guard(fail),
            "permit": in_a_block,
            "coroutine": lambda: asyncio.run(breaker.guard(fail_later)()),
            "generator": lambda: list(breaker.guard(fail_at_once)()),
        }
        breaker.trip()
        clock.advance(10)
        with pytest.raises(NotFoundError):
            ways[kind]()
        assert breaker.state is State.CLOSED

    def test_a_stream_of_404s_outweighs_a_few_failures(self) -> None:
        breaker = CircuitBreaker(
            "model",
            trip=ConsecutiveFailures(3) | FailureRate(0.5, minimum_calls=4),
            success_on=NotFoundError,
        )

        def fail(error: type[Exception]) -> None:
            raise error

        for number in range(100):
            with pytest.raises((NotFoundError, OSError)):
                breaker.call(fail, OSError if number % 20 == 10 else NotFoundError)
        assert breaker.state is State.CLOSED
        assert breaker.snapshot().calls.success == 95

    def test_a_permit_says_why(self) -> None:
        breaker = CircuitBreaker("model")
        calls: list[Call] = []
        breaker.on_call(lambda _, call: calls.append(call))
        breaker.acquire().success("HTTP 404")
        assert calls[0].ruling.reason == "HTTP 404"


class TestGroups:
    """resilience4j#280: a group is judged by its leaves."""

    @pytest.mark.parametrize(
        ("leaves", "verdict", "reason"),
        [
            ([ValueError(), OSError()], Verdict.FAILURE, "OSError"),
            ([ValueError(), ValueError()], Verdict.IGNORED, "ValueError"),
            ([ValueError(), NotFoundError()], Verdict.SUCCESS, "NotFoundError"),
            ([NotFoundError(), OSError()], Verdict.FAILURE, "OSError"),
            ([asyncio.CancelledError(), OSError()], Verdict.FAILURE, "OSError"),
            ([asyncio.CancelledError(), ValueError()], Verdict.IGNORED, "CancelledError"),
            ([ExceptionGroup("", [ValueError(), OSError()])], Verdict.FAILURE, "OSError"),
        ],
    )
    def test_by_their_leaves(
        self, leaves: list[BaseException], verdict: Verdict, reason: str
    ) -> None:
        rules = {"ignore": ValueError, "success_on": NotFoundError}
        group = BaseExceptionGroup("several", leaves)
        assert verdict_on(group, **rules) == (verdict, reason)

    def test_a_rule_may_name_groups_themselves(self) -> None:
        group = ExceptionGroup("several", [OSError()])
        assert verdict_on(group, ignore=ExceptionGroup)[0] is Verdict.IGNORED

    def test_unsent_only_if_all_are(self) -> None:
        breaker = CircuitBreaker("model", unsent_on=ConnectionError, ignore=ValueError)
        for leaves in ([ConnectionError(), ConnectionError()], [ConnectionError(), ValueError()]):
            with pytest.raises(ExceptionGroup), breaker.acquire():
                raise ExceptionGroup("several", leaves)
        assert breaker.snapshot().unsent == 1

    def test_the_longest_retry_after_counts(self) -> None:
        def busy(seconds: float) -> Exception:
            error = OSError()
            error.retry_after = seconds  # type: ignore[attr-defined]
            return error

        breaker = CircuitBreaker("model", trip=ConsecutiveFailures(1), clock=ManualClock())
        with pytest.raises(ExceptionGroup), breaker.acquire():
            raise ExceptionGroup("several", [busy(40), ValueError(), busy(60)])
        assert breaker.snapshot().retry_after == 60

    def test_deep_ones_need_no_recursion(self) -> None:
        group: Exception = OSError()
        for _ in range(5000):
            group = ExceptionGroup("", [group])
        assert verdict_on(group)[0] is Verdict.FAILURE

    async def test_of_a_task_group(self) -> None:
        breaker = CircuitBreaker("model", ignore=ValueError)

        async def fail() -> None:
            raise ValueError

        async def fan_out() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(fail())

        with pytest.raises(ExceptionGroup):
            await breaker.call(fan_out)
        assert breaker.snapshot().calls.ignored == 1


class TestWrappedErrors:
    def wrapped(self, error: Exception, *causes: BaseException) -> Exception:
        for outer, inner in zip((error, *causes), causes, strict=False):
            outer.__cause__ = inner
        return error

    def test_by_their_cause_if_asked(self) -> None:
        error = self.wrapped(WrapperError(), NotFoundError())
        assert verdict_on(error, ignore=NotFoundError)[0] is Verdict.FAILURE
        rules = {"ignore": NotFoundError, "unwrap": WrapperError}
        assert verdict_on(error, **rules) == (Verdict.IGNORED, "NotFoundError")
        assert verdict_on(WrapperError(), **rules) == (Verdict.FAILURE, "WrapperError")

    def test_through_several(self) -> None:
        error = self.wrapped(WrapperError(), WrapperError(), NotFoundError())
        rules: dict[str, Any] = {"success_on": NotFoundError, "unwrap": [WrapperError]}
        assert verdict_on(error, **rules)[0] is Verdict.SUCCESS

    def test_the_same_type_with_other_causes(self) -> None:
        breaker = CircuitBreaker("model", ignore=NotFoundError, unwrap=WrapperError)
        for cause in (NotFoundError(), OSError(), NotFoundError(), None):
            with pytest.raises(WrapperError), breaker.acquire():
                raise WrapperError from cause
        calls = breaker.snapshot().calls
        assert (calls.failure, calls.ignored) == (2, 2)

    def test_in_a_circle(self) -> None:
        first, second = WrapperError(), WrapperError()
        first.__cause__, second.__cause__ = second, first
        assert verdict_on(first, unwrap=WrapperError)[0] is Verdict.FAILURE

    def test_in_a_group(self) -> None:
        error = ExceptionGroup("", [self.wrapped(WrapperError(), NotFoundError())])
        rules = {"ignore": NotFoundError, "unwrap": WrapperError}
        assert verdict_on(error, **rules)[0] is Verdict.IGNORED

    def test_cancellation_stays_what_it_is(self) -> None:
        error = self.wrapped(WrapperError(), asyncio.CancelledError())
        assert verdict_on(error, unwrap=WrapperError)[0] is Verdict.IGNORED


DATE = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)


class TestReadingRetryAfter:
    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            (5, 5),
            (2.5, 2.5),
            (-3, 0),
            ("7", 7),
            (" 0.25 ", 0.25),
            (b"12", 12),
            ("3, 9", 9),
            (timedelta(minutes=2), 120),
            (DATE + timedelta(seconds=30), 30),
            ("Wed, 25 Nov 2026 12:00:10 GMT", 10),
            ("Wed, 25 Nov 2026 11:59:00 GMT", 0),
            ("Wednesday, 25-Nov-26 12:00:10 GMT", 10),
        ],
    )
    def test_in_every_form(self, value: object, seconds: float) -> None:
        assert read_retry_after(value, DATE) == seconds

    @pytest.mark.parametrize(
        "value",
        ["soon", "1e3", "-5", "5 s", True, float("nan"), float("inf"), 10**400, [5], "9" * 200],
    )
    def test_what_cannot_be_read_is_logged_once(
        self, value: object, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("fuseboard.breaker.retry_after._unreadable", set())
        with caplog.at_level(logging.WARNING):
            for _ in range(3):
                assert read_retry_after(value) is None
        assert len(caplog.records) == 1

    @given(st.one_of(st.text(), st.binary(), st.floats(), st.integers()))
    def test_never_raises(self, value: object) -> None:
        seconds = read_retry_after(value)
        assert seconds is None or 0 <= seconds < float("inf")

    @given(st.text())
    def test_a_date_has_a_time_zone_or_is_none(self, text: str) -> None:
        date = parse_http_date(text)
        assert date is None or date.tzinfo is not None

    @pytest.mark.parametrize("value", [timedelta(seconds=50), "50", b"50"])
    def test_of_an_exception(self, value: object) -> None:
        class BusyError(Exception):
            retry_after = value

        breaker = CircuitBreaker("model", trip=ConsecutiveFailures(1), clock=ManualClock())
        with pytest.raises(BusyError), breaker.acquire():
            raise BusyError
        assert breaker.snapshot().retry_after == 50

    def test_of_a_permit(self) -> None:
        breaker = CircuitBreaker("model", trip=ConsecutiveFailures(1), clock=ManualClock())
        breaker.acquire().failure("busy", retry_after=timedelta(minutes=1))
        assert breaker.snapshot().retry_after == 60


class TestALaterRetryAfter:
    """litellm#40130: several calls are under way when a service begins to refuse them."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    def breaker(self, clock: ManualClock) -> CircuitBreaker:
        return CircuitBreaker(
            "model", trip=ConsecutiveFailures(1), recovery_timeout=10, clock=clock
        )

    def test_lengthens_the_opening(self, breaker: CircuitBreaker, clock: ManualClock) -> None:
        first, second, third = (breaker.acquire() for _ in range(3))
        first.failure("HTTP 429", retry_after=15)
        clock.advance(1)
        second.failure("HTTP 429", retry_after=60)
        third.failure("HTTP 429", retry_after=5)
        seen = breaker.snapshot()
        assert (seen.retry_after, seen.recovery_timeout, seen.late) == (60, 61, 2)
        clock.advance(60)
        assert breaker.state is State.HALF_OPEN
        assert breaker.history[-1].reason == "Retry-After of 61 s is over"

    def test_only_by_a_failure(self, breaker: CircuitBreaker) -> None:
        first, second = breaker.acquire(), breaker.acquire()
        first.failure("HTTP 500")
        second.ignore()
        assert breaker.snapshot().retry_after == 10

    def test_at_most_by_the_longest_allowed(self, breaker: CircuitBreaker) -> None:
        first, second = breaker.acquire(), breaker.acquire()
        first.failure("HTTP 500")
        second.failure("HTTP 429", retry_after=1e6)
        assert breaker.snapshot().retry_after == 300

    def test_not_of_an_older_generation(self, breaker: CircuitBreaker, clock: ManualClock) -> None:
        old = breaker.acquire()
        breaker.trip()
        clock.advance(10)
        breaker.acquire().failure("HTTP 500")
        old.failure("HTTP 429", retry_after=100)
        assert breaker.snapshot().retry_after == 10

    def test_of_a_second_probe(self, breaker: CircuitBreaker, clock: ManualClock) -> None:
        breaker.configure(max_probes=2)
        breaker.trip()
        clock.advance(10)
        first, second = breaker.acquire(), breaker.acquire()
        first.failure("HTTP 500")
        second.failure("HTTP 429", retry_after=100)
        assert breaker.snapshot().retry_after == 100

    def test_not_where_it_is_forced_open(self, breaker: CircuitBreaker, clock: ManualClock) -> None:
        permit = breaker.acquire()
        breaker.force_open()
        permit.failure("HTTP 429", retry_after=20)
        clock.advance(1000)
        assert breaker.state is State.OPEN
        assert breaker.snapshot().retry_after is None
