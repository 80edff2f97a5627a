"""Rates and percentiles out of counters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseboard import CircuitBreaker
from fuseboard.breaker.external import ExternalBreaker
from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard.snapshot.quantile import quantile
from fuseboard.snapshot.rates import MEASURED_SECONDS, REMEMBERED_SECONDS, RateTracker
from fuseboard.snapshot.snapshot import BreakerRates
from tests.core.clock import ManualClock

BUCKETS = [(0.1, 10), (1.0, 90), (10.0, 100)]


@pytest.mark.parametrize(
    ("share", "seconds"), [(0.05, 0.05), (0.1, 0.1), (0.5, 0.55), (0.9, 1.0), (0.95, 5.5)]
)
def test_values_lie_evenly_within_a_bucket(share: float, seconds: float) -> None:
    assert quantile(share, BUCKETS, 100) == pytest.approx(seconds)


def test_what_is_above_the_last_bound_lies_at_it() -> None:
    assert quantile(0.5, [(1.0, 1)], 100) == 1.0


def test_nothing_has_no_quantiles() -> None:
    assert quantile(0.5, BUCKETS, 0) is None
    assert quantile(0.5, [], 5) is None


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8), st.floats(0.01, 1))
def test_a_quantile_lies_in_the_bucket_of_its_value(counts: list[int], share: float) -> None:
    buckets, reached = [], 0
    for bound, count in enumerate(counts, start=1):
        reached += count
        buckets.append((float(bound), reached))
    found = quantile(share, buckets, reached)
    if not reached:
        assert found is None
        return
    assert found is not None
    values = [bound for bound, count in enumerate(counts, start=1) for _ in range(count)]
    nearest = values[min(int(share * reached - 1e-9), reached - 1)]
    assert nearest - 1 <= found <= nearest


def test_rates_and_percentiles_of_a_breaker() -> None:
    clock = ManualClock()
    breaker = CircuitBreaker("model", clock=clock)
    log = RateTracker()
    assert log.by_breaker() == {}
    log.sample([breaker.snapshot()], 1.0)

    def call(seconds: float, *, fails: bool = False) -> None:
        permit = breaker.acquire()
        clock.advance(seconds)
        if fails:
            permit.failure("broken")
        else:
            permit.success()

    for _ in range(8):
        call(0.2)
    call(4.0, fails=True)
    log.sample([breaker.snapshot()], 2.0)
    seen = log.by_breaker()["model"]
    assert (seen.success, seen.failure, seen.rejected) == ((4.0,) * 2, (0.5,) * 2, (0.0,) * 2)
    assert seen.total == (4.5, 4.5)
    assert seen.failed_share == pytest.approx(1 / 9)
    assert seen.p50 is not None
    assert seen.p99 is not None
    assert 0.1 <= seen.p50 <= 0.3
    assert seen.p99 > 2

    call(0.2)
    log.sample([breaker.snapshot()], 0.1)
    share = log.by_breaker()["model"].failed_share
    assert share == pytest.approx(1 / 10), "a call is a call, however short its second was"

    for _ in range(MEASURED_SECONDS + 1):
        log.sample([breaker.snapshot()], 1.0)
    seen = log.by_breaker()["model"]
    assert seen.total[-1] == 0.0
    assert (seen.p50, seen.failed_share) == (None, None), "that was long ago"
    for _ in range(REMEMBERED_SECONDS):
        log.sample([breaker.snapshot()], 1.0)
    assert len(log.by_breaker()["model"].total) == REMEMBERED_SECONDS


def test_at_first_sight_no_rate_is_known_however_many_calls_there_were() -> None:
    old = ExternalBreaker("old")
    for _ in range(1000):
        old.count_call("failure")
    log = RateTracker()
    log.sample([], 1.0)
    log.sample([old.snapshot()], 1.0)
    assert log.by_breaker() == {"old": BreakerRates()}
    assert log.by_breaker()["old"].failed_share is None
    old.count_call("success")
    log.sample([old.snapshot()], 1.0)
    seen = log.by_breaker()["old"]
    assert (seen.success, seen.failure, seen.failed_share) == ((1.0,), (0.0,), 0.0)


@pytest.mark.parametrize("reported", [0, 3, 20])
def test_another_breaker_of_the_same_name_begins_anew(reported: int) -> None:
    clock = ManualClock()
    log = RateTracker()
    first = ExternalBreaker("model", clock=clock)
    clock.advance(60)
    for _ in range(9):
        first.count_call("failure")
        log.sample([first.snapshot()], 1.0)
    second = ExternalBreaker("model", clock=clock)
    for _ in range(reported):
        second.count_call("failure")
    log.sample([second.snapshot()], 1.0)
    assert log.by_breaker() == {"model": BreakerRates()}
    second.count_call("rejected")
    log.sample([second.snapshot()], 1.0)
    assert log.by_breaker()["model"].total == (1.0,)


def test_other_buckets_are_another_breakers() -> None:
    clock = ManualClock()
    log = RateTracker()
    for bounds in ((0.1, 1.0), (0.2, 2.0)):
        breaker = CircuitBreaker("model", duration_buckets=bounds, clock=clock)
        breaker.call(int)
        log.sample([breaker.snapshot()], 1.0)
        assert log.by_breaker() == {"model": BreakerRates()}


def test_a_breaker_that_is_gone_is_forgotten() -> None:
    log = RateTracker()
    breaker = CircuitBreaker("model")
    log.sample([breaker.snapshot()], 1.0)
    log.sample([breaker.snapshot()], 1.0)
    log.sample([], 1.0)
    assert log.by_breaker() == {}
    breaker.call(int)
    log.sample([breaker.snapshot()], 1.0)
    assert log.by_breaker() == {"model": BreakerRates()}


@given(st.lists(st.tuples(st.sampled_from(["call", "sample", "replace"]), st.integers(0, 9))))
def test_rates_add_up_to_the_calls_since_first_sight(steps: list[tuple[str, int]]) -> None:
    clock, log = ManualClock(), RateTracker()
    breaker = ExternalBreaker("model", clock=clock)
    calls, seen_at = 0, None
    for step, number in steps:
        clock.advance(1)
        match step:
            case "call":
                for _ in range(number):
                    breaker.count_call("success")
                calls += number
            case "replace":
                breaker = ExternalBreaker("model", clock=clock)
                for _ in range(number):
                    breaker.count_call("success")
                log.sample([breaker.snapshot()], 1.0)
                clock.advance(1)
                log.sample([breaker.snapshot()], 1.0)
                calls = seen_at = number
            case _:
                log.sample([breaker.snapshot()], 1.0)
                seen_at = calls if seen_at is None else seen_at
                assert sum(log.by_breaker()["model"].total) == calls - seen_at


def counted(successes: int, name: str = "model") -> BreakerSnapshot:
    breaker = CircuitBreaker(name, clock=ManualClock())
    for _ in range(successes):
        breaker.call(lambda: None)
    return breaker.snapshot()


def test_a_stop_of_a_minute_is_a_minute_in_which_little_happened() -> None:
    """As after SIGSTOP: the next sample covers all of it."""
    tracker = RateTracker()
    tracker.sample([counted(0)], 1.0)
    for second in range(1, 11):
        tracker.sample([counted(4 * second)], 1.0)
    tracker.sample([counted(43)], 60.2)
    seen = tracker.by_breaker()["model"].success
    assert seen[:10] == (4.0,) * 10
    assert seen[10:] == pytest.approx((3 / 60.2,) * 60)
    tracker.sample([counted(47)], 1.0)
    rates = tracker.by_breaker()["model"]
    assert rates.success[-1] == 4.0
    assert rates.p50 is not None


@pytest.mark.parametrize("seconds", [3600.0, 1e9])
def test_a_long_stop_leaves_nothing_of_what_was_before(seconds: float) -> None:
    tracker = RateTracker()
    tracker.sample([counted(400)], 1.0)
    tracker.sample([counted(400)], seconds)
    rates = tracker.by_breaker()["model"]
    assert rates.success == (0.0,) * REMEMBERED_SECONDS
    assert (rates.p50, rates.failed_share) == (None, None)
