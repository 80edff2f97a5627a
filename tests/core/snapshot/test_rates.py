"""Rates and percentiles out of counters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseboard import CircuitBreaker
from fuseboard.snapshot.quantile import quantile
from fuseboard.snapshot.rates import MEASURED_SECONDS, REMEMBERED_SECONDS, RateTracker
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
    assert (seen.success, seen.failure, seen.rejected) == ((4.0,), (0.5,), (0.0,))
    assert seen.total == (4.5,)
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
