"""When a breaker opens, by each policy and by combinations of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseboard import (
    CircuitBreaker,
    ConsecutiveFailures,
    CountWindow,
    FailureRate,
    SlowCallRate,
    State,
    TimeWindow,
    TripPolicy,
)
from fuseboard.breaker.counters import MOST_PENDING
from fuseboard.breaker.policies.windows import Window
from tests.core.clock import ManualClock


class Driven:
    """A breaker whose calls are letters: `.` good, `x` bad, `s` slow, `l` late first item."""

    def __init__(self, trip: TripPolicy) -> None:
        self.clock = ManualClock()
        self.breaker = CircuitBreaker("driven", trip=trip, clock=self.clock)

    def __call__(self, calls: str) -> State:
        for call in calls:
            if call == " ":
                self.clock.advance(1)
                continue
            permit = self.breaker.acquire()
            if call == "l":
                self.clock.advance(3)
            permit.first_item()
            self.clock.advance(3 if call == "s" else 0)
            permit.failure("bad") if call == "x" else permit.success()
        return self.breaker.state

    @property
    def why(self) -> str:
        return self.breaker.snapshot().why


class TestFailureRate:
    def test_trips_at_the_rate_and_not_below(self) -> None:
        driven = Driven(FailureRate(0.5, CountWindow(10), minimum_calls=10))
        assert driven("xxxx......") is State.CLOSED
        assert driven("xxxx.") is State.CLOSED  # x pushes x out of the window
        assert driven("x") is State.OPEN
        assert driven.why == "50% of the last 10 calls failed: 5× bad"

    def test_says_nothing_before_the_minimum_of_calls(self) -> None:
        driven = Driven(FailureRate(0.5, CountWindow(100), minimum_calls=4))
        assert driven("xxx") is State.CLOSED
        assert driven.breaker.snapshot().gauges[0].value == 0
        assert driven(".") is State.OPEN  # a success may be the call that completes the minimum

    def test_a_time_window_forgets(self) -> None:
        driven = Driven(FailureRate(0.5, TimeWindow(10), minimum_calls=3))
        assert driven("xx" + " " * 10 + ".") is State.CLOSED
        assert driven("xx") is State.OPEN
        assert driven.why == "67% of the last 10 s failed: 2× bad"

    def test_its_gauge_falls_by_itself_as_time_passes(self) -> None:
        driven = Driven(FailureRate(0.9, TimeWindow(10), minimum_calls=1))
        driven(".xx")
        gauge = driven.breaker.snapshot().gauges[0]
        assert (gauge.name, gauge.value, gauge.limit, gauge.ratio) == (
            "failure rate",
            pytest.approx(2 / 3),
            0.9,
            True,
        )
        driven.clock.advance(10)
        assert driven.breaker.snapshot().gauges[0].value == 0

    def test_says_how_many_calls_there_were_and_not_how_many_it_could_hold(self) -> None:
        driven = Driven(FailureRate(0.6, CountWindow(100), minimum_calls=10))
        assert driven("....xxxxxx") is State.OPEN
        assert driven.why == "60% of the last 10 calls failed: 6× bad"
        driven = Driven(SlowCallRate(2.0, 0.5, CountWindow(100), minimum_calls=1))
        assert driven("s") is State.OPEN
        assert driven.why == "100% of the last call took longer than 2 s"

    def test_not_quite_all_and_not_quite_none_are_never_rounded_to_it(self) -> None:
        driven = Driven(FailureRate(0.996, CountWindow(1000), minimum_calls=1000))
        assert driven("...." + "x" * 996) is State.OPEN
        assert driven.why.startswith(">99% of the last 1000 calls failed")
        driven = Driven(FailureRate(0.001, CountWindow(1000), minimum_calls=1000))
        assert driven("." * 999 + "x") is State.OPEN
        assert driven.why.startswith("<1% of the last 1000 calls failed")

    def test_starts_afresh_after_recovery(self) -> None:
        driven = Driven(FailureRate(0.5, CountWindow(10), minimum_calls=2))
        assert driven("xx") is State.OPEN
        driven.clock.advance(30)
        assert driven(".") is State.CLOSED
        assert driven("x") is State.CLOSED


class TestSlowCallRate:
    def test_counts_whole_calls(self) -> None:
        driven = Driven(SlowCallRate(2.0, 0.5, CountWindow(4), minimum_calls=4))
        assert driven("ss..") is State.OPEN
        assert driven.why == "50% of the last 4 calls took longer than 2 s"
        assert driven.breaker.history[-1].causes == ()

    def test_counts_first_items(self) -> None:
        driven = Driven(SlowCallRate(2.0, 0.5, CountWindow(4), minimum_calls=4, first_item=True))
        assert driven("ssss") is State.CLOSED  # a long answer that began at once
        assert driven("ll") is State.OPEN
        assert driven.why == "50% of the last 4 calls took longer than 2 s to the first item"

    def test_a_call_that_just_makes_it_is_not_slow(self) -> None:
        driven = Driven(SlowCallRate(3.0, 0.5, CountWindow(1), minimum_calls=1))
        assert driven("s") is State.CLOSED

    @pytest.mark.parametrize("first_item", [False, True])
    def test_one_that_ends_as_it_becomes_slow_is_counted_once(self, first_item: bool) -> None:
        policy = SlowCallRate(0.1, 0.5, minimum_calls=2, first_item=first_item, in_flight=True)
        for start in range(100):  # sums of tenths are rounded this way and that
            driven = Driven(policy)
            driven.clock.advance(1000 + start / 10)
            permit = driven.breaker.acquire()
            driven.clock.advance(0.1)
            permit.first_item()
            permit.success()
            assert driven.breaker.state is State.CLOSED


class TestCombined:
    def test_either(self) -> None:
        either = ConsecutiveFailures(3) | FailureRate(0.5, CountWindow(4), minimum_calls=4)
        assert Driven(either)("xxx") is State.OPEN
        assert Driven(either)("x.x.") is State.OPEN
        assert Driven(either)("x.xx") is State.OPEN
        assert Driven(either)("x..") is State.CLOSED

    def test_both(self) -> None:
        driven = Driven(ConsecutiveFailures(2) & FailureRate(0.5, CountWindow(8), minimum_calls=4))
        assert driven("....xx") is State.CLOSED
        assert driven("x") is State.CLOSED
        assert driven("x") is State.OPEN
        assert driven.why == "4 consecutive failures and 50% of the last 8 calls failed: 4× bad"

    def test_shows_a_gauge_for_each(self) -> None:
        policy = ConsecutiveFailures(2) | FailureRate(0.5) | SlowCallRate(1, 0.5)
        names = [gauge.name for gauge in Driven(policy).breaker.snapshot().gauges]
        assert names == ["consecutive failures", "failure rate", "slow calls"]

    def test_policies_are_values(self) -> None:
        one, two, three = ConsecutiveFailures(1), FailureRate(0.5), SlowCallRate(1, 0.5)
        assert (one | two) | three == one | (two | three)
        assert one & two != one | two


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ConsecutiveFailures(0), "threshold"),
        (lambda: FailureRate(0), "rate"),
        (lambda: FailureRate(1.5), "rate"),
        (lambda: FailureRate(0.5, CountWindow(5), minimum_calls=6), "holds 5"),
        (lambda: FailureRate(0.5, minimum_calls=0), "minimum_calls"),
        (lambda: SlowCallRate(0, 0.5), "seconds"),
        (lambda: CountWindow(0), "at least 1"),
        (lambda: TimeWindow(float("nan")), "positive"),
    ],
)
def test_senseless_policies_are_refused(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ConsecutiveFailures(float("nan")), "threshold takes a whole number, not nan"),  # type: ignore[arg-type]
        (lambda: FailureRate(0.5, minimum_calls=2.5), "minimum_calls takes a whole number"),  # type: ignore[arg-type]
        (lambda: CountWindow("7"), "a count window takes a whole number, not '7'"),  # type: ignore[arg-type]
        (lambda: TimeWindow("7"), "a time window takes seconds, not '7'"),  # type: ignore[arg-type]
        (lambda: FailureRate(0.5, 100), "over takes a window, such as CountWindow"),  # type: ignore[arg-type]
        (lambda: ConsecutiveFailures(5) | 3, "unsupported operand"),  # type: ignore[operator]
        (lambda: ConsecutiveFailures(5) & FailureRate, "unsupported operand"),  # type: ignore[operator]
    ],
)
def test_what_is_no_policy_at_all_is_refused(make: object, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        make()  # type: ignore[operator]


@given(
    window=st.sampled_from([CountWindow(1), CountWindow(7), TimeWindow(10), TimeWindow(0.3)]),
    calls=st.lists(st.tuples(st.sampled_from([0.0, 0.1, 1.0, 9.5, 50.0]), st.booleans())),
)
def test_a_window_holds_what_it_says(window: Window, calls: list[tuple[float, bool]]) -> None:
    count, now, seen = window.count(), 1000.0, []
    for pause, hit in calls:
        now += pause
        count.add(now, hit=hit)
        seen.append((now, hit))
    now += 0.05
    count.slide(now)
    if isinstance(window, CountWindow):
        held = seen[-window.calls :]
        assert (count.total, count.hits) == (len(held), sum(hit for _, hit in held))
    else:
        assert isinstance(window, TimeWindow)
        at_least = [hit for at, hit in seen if now - at <= window.seconds * 0.94]
        at_most = [hit for at, hit in seen if now - at <= window.seconds]
        assert len(at_least) <= count.total <= len(at_most)
        assert sum(at_least) <= count.hits <= sum(at_most)


def test_memory_stays_what_it_is_whatever_the_traffic() -> None:
    driven = Driven(FailureRate(0.9, CountWindow(100)) | SlowCallRate(5, 0.9, TimeWindow(60)))
    driven("." * 5_000)
    counters = driven.breaker._machine.counters
    assert len(counters.pending_successes) <= MOST_PENDING
    assert driven.breaker.snapshot().calls.success == 5_000
