"""The numbers of a breaker that can be changed while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseboard import (
    Backoff,
    BreakerSettings,
    CircuitBreaker,
    ConsecutiveFailures,
    CountWindow,
    FailureRate,
    TimeWindow,
    TripPolicy,
)
from fuseboard.breaker.counters import Counters
from fuseboard.breaker.policies.base import Meter
from fuseboard.breaker.policies.rates import SlowCallRate
from fuseboard.breaker.tunables import format_number, tunables_of, with_tunables
from fuseboard.breaker.validation import NumberKind, number

COUNTS = st.integers(1, 50)
SECONDS = st.floats(0.001, 1e6)
SHARES = st.floats(0, 1, exclude_min=True)
WINDOWS = st.builds(CountWindow, st.integers(50, 200)) | st.builds(TimeWindow, SECONDS)
POLICIES = st.recursive(
    st.builds(ConsecutiveFailures, COUNTS)
    | st.builds(FailureRate, SHARES, WINDOWS, COUNTS)
    | st.builds(SlowCallRate, SECONDS, SHARES, WINDOWS, COUNTS, st.booleans(), st.booleans()),
    lambda parts: (
        st.tuples(parts, parts).map(lambda two: two[0] | two[1])
        | st.tuples(parts, parts).map(lambda two: two[0] & two[1])
    ),
    max_leaves=4,
)
BACKOFFS = st.builds(
    Backoff, st.floats(0.001, 10), st.floats(1, 9), st.floats(10, 1e6), st.floats(0, 0.99)
)
SETTINGS = st.builds(
    BreakerSettings,
    trip=POLICIES,
    recovery_timeout=SECONDS | BACKOFFS,
    max_probes=COUNTS,
    successes_to_close=COUNTS,
    probe_timeout=SECONDS,
    longest_retry_after=SECONDS,
)
TYPED = st.floats() | st.integers(-5, 300).map(float) | st.floats(0, 1)


def values(settings: BreakerSettings) -> dict[str, float]:
    return {each.name: each.value for each in tunables_of(settings)}


def test_names_follow_the_fields() -> None:
    assert values(BreakerSettings()) == {
        "trip.threshold": 5,
        "recovery_timeout": 30.0,
        "max_probes": 1,
        "successes_to_close": 1,
        "probe_timeout": 120.0,
        "longest_retry_after": 300.0,
    }
    either = ConsecutiveFailures(3) | FailureRate(0.5, TimeWindow(60))
    both = either & SlowCallRate(2.0, 0.25)
    assert list(values(BreakerSettings(trip=both, recovery_timeout=Backoff(5)))) == [
        "trip[0][0].threshold",
        "trip[0][1].rate",
        "trip[0][1].over.seconds",
        "trip[0][1].minimum_calls",
        "trip[1].seconds",
        "trip[1].rate",
        "trip[1].over.calls",
        "trip[1].minimum_calls",
        "recovery_timeout.initial",
        "recovery_timeout.multiplier",
        "recovery_timeout.cap",
        "recovery_timeout.jitter",
        "max_probes",
        "successes_to_close",
        "probe_timeout",
        "longest_retry_after",
    ]


@given(SETTINGS, st.data())
def test_a_change_changes_what_it_names_and_nothing_else(
    settings: BreakerSettings, data: st.DataObject
) -> None:
    before = values(settings)
    assert len(before) == len(tunables_of(settings))
    tunable = data.draw(st.sampled_from(tunables_of(settings)))
    value = data.draw(TYPED)
    try:
        changed = replace(settings, **with_tunables(settings, {tunable.name: value}))
    except ValueError:
        assert values(settings) == before
    else:
        assert values(changed) == {**before, tunable.name: value}
        assert [(each.name, each.kind) for each in tunables_of(changed)] == [
            (each.name, each.kind) for each in tunables_of(settings)
        ]


@given(SETTINGS)
def test_no_change_gives_nothing_to_configure(settings: BreakerSettings) -> None:
    assert with_tunables(settings, {}) == {}
    assert with_tunables(settings, values(settings)) == {}


def test_several_numbers_are_changed_at_once() -> None:
    settings = BreakerSettings(
        trip=FailureRate(0.5, CountWindow(20), minimum_calls=20), recovery_timeout=Backoff(5)
    )
    with pytest.raises(ValueError, match="minimum_calls is 20, but the window holds 10"):
        with_tunables(settings, {"trip.over.calls": 10})
    assert with_tunables(settings, {"trip.over.calls": 10.0, "trip.minimum_calls": 8.0}) == {
        "trip": FailureRate(0.5, CountWindow(10), minimum_calls=8)
    }
    with pytest.raises(ValueError, match="cap must be at least initial"):
        with_tunables(settings, {"recovery_timeout.initial": 500})
    changes = {"recovery_timeout.initial": 500.0, "recovery_timeout.cap": 900.0}
    assert with_tunables(settings, changes) == {"recovery_timeout": Backoff(500, cap=900)}


def test_whole_numbers_stay_whole() -> None:
    given = with_tunables(BreakerSettings(), {"max_probes": 3.0})
    assert repr(given) == "{'max_probes': 3}"
    breaker = CircuitBreaker("model")
    breaker.configure(**with_tunables(breaker.settings, {"trip.threshold": 2.0}))
    assert repr(breaker.settings.trip) == "ConsecutiveFailures(threshold=2)"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("max_probes", 2.5, "max_probes takes a whole number of at least 1, not 2.5"),
        ("trip.threshold", 0, "trip.threshold takes a whole number of at least 1, not 0"),
        (
            "recovery_timeout",
            -1.0,
            "recovery_timeout takes seconds, more than 0",
        ),
        (
            "recovery_timeout",
            nan,
            "recovery_timeout takes seconds, more than 0",
        ),
        (
            "probe_timeout",
            inf,
            "probe_timeout takes seconds, more than 0",
        ),
        ("trip.rate", 0.5, "there is no number called 'trip.rate' to set, only trip.threshold, "),
    ],
)
def test_what_is_wrong_is_refused(name: str, value: float, message: str) -> None:
    with pytest.raises(ValueError, match="^" + message.replace(".", r"\.")):
        with_tunables(BreakerSettings(), {name: value})


def _policy(**settings: Any) -> Callable[[float], BreakerSettings]:
    ((name, make),) = settings.items()
    return lambda value: BreakerSettings(**{name: make(value)})


@pytest.mark.parametrize(
    ("make", "name", "edges", "beyond"),
    [
        (_policy(trip=lambda v: ConsecutiveFailures(int(v))), "trip.threshold", [1], [0]),
        (_policy(trip=lambda v: FailureRate(v)), "trip.rate", [1e-9, 1], [0, 1.001]),
        (
            _policy(trip=lambda v: SlowCallRate(v, 0.5)),
            "trip.seconds",
            [1e-9, 1e9],
            [0, 1e-310, 1e300, inf],
        ),
        (
            _policy(trip=lambda v: FailureRate(0.5, TimeWindow(v))),
            "trip.over.seconds",
            [1e-9, 1e9],
            [0, 1e-310, 1e300, inf],
        ),
        (
            _policy(trip=lambda v: FailureRate(0.5, CountWindow(int(v)), 1)),
            "trip.over.calls",
            [1, 10_000_000],
            [0, 10_000_001, 1e30],
        ),
        (
            _policy(trip=lambda v: FailureRate(0.5, minimum_calls=int(v))),
            "trip.minimum_calls",
            [1, 100],
            [0],
        ),
        (_policy(recovery_timeout=float), "recovery_timeout", [1e-9, 1e9], [0, 1e-310, 1e300, inf]),
        (
            _policy(recovery_timeout=lambda v: Backoff(5, multiplier=v)),
            "recovery_timeout.multiplier",
            [1],
            [0.999, inf],
        ),
        (
            _policy(recovery_timeout=lambda v: Backoff(5, jitter=v)),
            "recovery_timeout.jitter",
            [0, 0.999],
            [-0.001, 1],
        ),
        (_policy(max_probes=int), "max_probes", [1], [0]),
        (_policy(successes_to_close=int), "successes_to_close", [1], [0]),
        (_policy(probe_timeout=float), "probe_timeout", [1e-9], [0]),
        (_policy(longest_retry_after=float), "longest_retry_after", [1e-9], [0]),
    ],
)
def test_the_check_draws_the_line_where_the_settings_do(
    make: Callable[[float], BreakerSettings], name: str, edges: list[float], beyond: list[float]
) -> None:
    settings = make(edges[0])
    for value in edges:
        assert values(replace(settings, **with_tunables(settings, {name: value})))[name] == value
    tunable = next(each for each in tunables_of(settings) if each.name == name)
    for value in beyond:
        with pytest.raises(ValueError):
            tunable.check(value)
        with pytest.raises(ValueError):
            make(value)


@dataclass(frozen=True)
class NightShift(TripPolicy):
    """A user's own policy, with another within."""

    inner: TripPolicy
    hours: int = 8
    weight: float = 2
    strict: bool = True

    def __post_init__(self) -> None:
        if self.hours > 12:
            raise ValueError("nobody works longer than 12 hours")

    def meter(self, counters: Counters) -> Meter:
        return self.inner.meter(counters)


def test_a_users_own_policy_has_its_numbers_too() -> None:
    settings = BreakerSettings(trip=NightShift(ConsecutiveFailures(2)))
    numbers = {each.name: each.kind for each in tunables_of(settings)}
    assert list(numbers)[:3] == ["trip.inner.threshold", "trip.hours", "trip.weight"]
    assert numbers["trip.hours"] is NumberKind.WHOLE
    assert numbers["trip.weight"] is NumberKind.ANY
    changes = {"trip.inner.threshold": 3.0, "trip.hours": 9.0, "trip.weight": -0.5}
    assert with_tunables(settings, changes) == {
        "trip": NightShift(ConsecutiveFailures(3), hours=9, weight=-0.5)
    }
    with pytest.raises(ValueError, match="nobody works longer than 12 hours"):
        with_tunables(settings, {"trip.hours": 13.0})


@dataclass(frozen=True)
class Patient(ConsecutiveFailures):
    """A user's own policy: one of ours with a default, and a number with a rule of its own."""

    threshold: int = 9
    share: float = field(default=0.5, metadata=number(NumberKind.SHARE, "share of the day"))


def test_a_users_own_policy_follows_the_rules_of_its_fields() -> None:
    kinds = [(each.kind, each.meaning) for each in tunables_of(BreakerSettings(trip=Patient()))]
    assert kinds[:2] == [
        (NumberKind.COUNT, "failures in a row that open it"),
        (NumberKind.SHARE, "share of the day"),
    ]
    for wrong in ({"threshold": 0}, {"share": 1.5}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Patient(**wrong)


def test_a_breakers_snapshots_share_them_until_they_change() -> None:
    breaker = CircuitBreaker("model", recovery_timeout=30)
    before = breaker.snapshot().tunables
    assert before == tunables_of(breaker.settings)
    assert breaker.snapshot().tunables is before
    breaker.configure(recovery_timeout=5)
    after = {each.name: each.value for each in breaker.snapshot().tunables}
    assert after["recovery_timeout"] == 5


@given(st.floats(allow_nan=False) | st.integers())
def test_numbers_are_written_so_that_they_can_be_typed_again(value: float) -> None:
    assert float(format_number(value)) == float(value)


@pytest.mark.parametrize(("value", "text"), [(30.0, "30"), (5, "5"), (0.5, "0.5"), (1e-7, "1e-07")])
def test_numbers_are_written_shortly(value: float, text: str) -> None:
    assert format_number(value) == text
