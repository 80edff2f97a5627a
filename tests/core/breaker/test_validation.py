"""What is a number in settings, and what a name may be."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from math import inf, nan
from typing import Any

import httpx
import pytest

from fuseboard import (
    Backoff,
    BreakerSettings,
    CircuitBreaker,
    ConsecutiveFailures,
    CountWindow,
    FailureRate,
    Registry,
    SlowCallRate,
    State,
    TimeWindow,
)
from fuseboard.breaker.external import ExternalBreaker
from fuseboard.breaker.names import check_name
from fuseboard.breaker.tunables import tunables_of, with_tunables
from fuseboard.http.pool import ConnectionPool
from fuseboard.ollama.deadlines import Deadlines
from fuseboard.ollama.response_cache import ResponseCache


class Int64:
    """A whole number of another library, as numpy's are: registered, and no `int`."""

    def __init__(self, value: int) -> None:
        self._value = value

    def __int__(self) -> int:
        return self._value

    def __repr__(self) -> str:
        return f"Int64({self._value})"


numbers.Integral.register(Int64)

WHOLE: dict[str, Callable[[Any], object]] = {
    "threshold": ConsecutiveFailures,
    "calls": CountWindow,
    "minimum_calls": lambda value: FailureRate(0.5, minimum_calls=value),
    "max_probes": lambda value: BreakerSettings(max_probes=value),
    "successes_to_close": lambda value: BreakerSettings(successes_to_close=value),
    "max_connections": lambda value: ConnectionPool(
        "pool", httpx.AsyncHTTPTransport(), value, timeout=1
    ),
    "max_entries": lambda value: ResponseCache("cache", value, 60),
    "max_breakers": lambda value: Registry(max_breakers=value),
    "consecutive failures": lambda value: ExternalBreaker("theirs").set_consecutive_failures(value),
}
REAL: dict[str, Callable[[Any], object]] = {
    "rate": FailureRate,
    "slow rate": lambda value: SlowCallRate(1.0, value),
    "slow seconds": lambda value: SlowCallRate(value, 0.5),
    "window": TimeWindow,
    "recovery_timeout": lambda value: BreakerSettings(recovery_timeout=value),
    "probe_timeout": lambda value: BreakerSettings(probe_timeout=value),
    "longest_retry_after": lambda value: BreakerSettings(longest_retry_after=value),
    "initial": Backoff,
    "multiplier": lambda value: Backoff(1, multiplier=value),
    "cap": lambda value: Backoff(1e-9, cap=value),
    "jitter": lambda value: Backoff(1, jitter=value),
    "pool timeout": lambda value: ConnectionPool(
        "pool", httpx.AsyncHTTPTransport(), 1, timeout=value
    ),
    "ttl": lambda value: ResponseCache("cache", 1, value),
    "deadline": lambda value: Deadlines(first_token=value),
    "idle_seconds": lambda value: Registry(idle_seconds=value),
}
EVERY = [*WHOLE.items(), *REAL.items()]


@pytest.mark.parametrize(("name", "make"), EVERY, ids=[name for name, _ in EVERY])
@pytest.mark.parametrize("value", [True, False, "1", b"1", [1], 1j, {}], ids=repr)
def test_what_is_no_number_is_refused_with_a_sentence(
    name: str, make: Callable[[Any], object], value: object
) -> None:
    with pytest.raises(TypeError, match=r"takes (a whole number|a number|seconds), not "):
        make(value)


@pytest.mark.parametrize(("name", "make"), EVERY, ids=[name for name, _ in EVERY])
@pytest.mark.parametrize("value", [nan, inf, -inf, -1, Decimal("NaN"), Decimal("sNaN"), 10**400])
def test_what_is_no_sensible_number_is_refused_too(
    name: str, make: Callable[[Any], object], value: object
) -> None:
    with pytest.raises((TypeError, ValueError), match=r", not |at most"):
        make(value)


@pytest.mark.parametrize(("name", "make"), WHOLE.items(), ids=WHOLE)
def test_a_whole_number_may_be_another_librarys(name: str, make: Callable[[Any], object]) -> None:
    make(Int64(1))
    for broken in (1.0, Decimal(1), Fraction(1)):
        with pytest.raises(TypeError, match=r"takes a whole number, not"):
            make(broken)


@pytest.mark.parametrize(("name", "make"), REAL.items(), ids=REAL)
def test_any_other_number_may_be_one_of_pythons_numbers(
    name: str, make: Callable[[Any], object]
) -> None:
    for value in (Decimal(1), Fraction(2, 2), Int64(1)):
        if name == "jitter":
            value = Decimal("0.5")
        make(value)


def test_numbers_become_plain_ones_that_can_be_exported() -> None:
    settings = BreakerSettings(
        trip=ConsecutiveFailures(Int64(3)) | FailureRate(Fraction(1, 2)),  # type: ignore[arg-type]
        recovery_timeout=Decimal("1.5"),  # type: ignore[arg-type]
    )
    found = {each.name: each.value for each in tunables_of(settings)}
    assert repr(found["trip[0].threshold"]) == "3"
    assert repr(found["trip[1].rate"]) == "0.5"
    assert repr(found["recovery_timeout"]) == "1.5"
    assert hash(settings.trip) == hash(ConsecutiveFailures(3) | FailureRate(0.5))


@pytest.mark.parametrize("value", [True, "3", None, Decimal("NaN"), 10**400, 1j])
def test_a_number_is_not_changed_to_what_is_none(value: Any) -> None:
    for name in ("max_probes", "recovery_timeout"):
        with pytest.raises(ValueError, match=f"{name} takes "):
            with_tunables(BreakerSettings(), {name: value})


def test_a_users_own_policy_is_listed_without_what_no_snapshot_can_hold() -> None:
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class Own(ConsecutiveFailures):
        threshold: int = 3
        limit: float = inf
        floor: float = nan
        share: Any = Fraction(1, 4)

    settings = BreakerSettings(trip=Own())
    found = {each.name: each.value for each in tunables_of(settings)}
    assert "trip.limit" not in found
    assert "trip.floor" not in found
    assert repr(found["trip.share"]) == "0.25"
    changed = with_tunables(settings, {"trip.threshold": 4.0})
    trip = changed["trip"]
    assert isinstance(trip, Own)
    assert (trip.threshold, trip.limit, trip.share) == (4, inf, Fraction(1, 4))


BAD_NAMES = ["a\nb", "a\x00", "\x1b[31mred", "tab\t", "\x7f", "\x85", "\ud800", "a\u2028b", ""]


@pytest.mark.parametrize("name", [5, None, b"model", True, ["model"], State.OPEN])
def test_a_name_is_text(name: Any) -> None:
    for make in NAMED:
        with pytest.raises(TypeError, match=r"the name of a \w+ is text, not "):
            make(name)


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_has_no_character_that_cannot_be_shown_and_exported(name: str) -> None:
    for make in NAMED:
        with pytest.raises(ValueError, match="name"):
            make(name)


NAMED: list[Callable[[Any], object]] = [
    check_name,
    ExternalBreaker,
    lambda name: ConnectionPool(name, httpx.AsyncHTTPTransport(), 1, timeout=1),
    lambda name: ResponseCache(name, 1, 60),
    lambda name: Registry().breaker(name),
    lambda name: Registry().get_or_add(name, ExternalBreaker),
    lambda name: Registry().add(Named(name)),
    lambda name: Registry().pools.add(Named(name)),
    lambda name: Registry().caches.add(Named(name)),
]


class Named:
    """What somebody registers."""

    def __init__(self, name: Any) -> None:
        self.name = name

    def snapshot(self) -> Any:
        raise NotImplementedError


@pytest.mark.parametrize("name", ["model", "módel 模型 🙂", 'quo"te\\{}', "a\u00a0b", "ע\u200f"])
def test_any_other_name_will_do(name: str) -> None:
    assert check_name(name) == name
    registry = Registry()
    assert registry.breaker(name).name == name
    assert isinstance(registry.breaker(name), CircuitBreaker)


def test_a_name_of_a_subclass_becomes_plain_text() -> None:
    class Service(str):
        __slots__ = ()

        def __str__(self) -> str:
            return "something else"

    assert type(check_name(Service("model"))) is str
    assert check_name(Service("model")) == "model"
