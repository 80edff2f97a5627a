"""The numbers of a breaker that can be changed while it runs, each by a name.

Names follow the fields: `recovery_timeout`, or `recovery_timeout.cap` of a
`Backoff`; `trip.threshold`; `trip.over.calls` of a window. Of policies that are
combined each has its place: `trip[0].threshold`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import Enum
from math import inf
from typing import Any, cast

from fuseboard.breaker.backoff import Backoff
from fuseboard.breaker.policies.base import AllOf, AnyOf, TripPolicy
from fuseboard.breaker.policies.consecutive import ConsecutiveFailures
from fuseboard.breaker.policies.rates import FailureRate, SlowCallRate
from fuseboard.breaker.policies.windows import CountWindow, TimeWindow, Window
from fuseboard.breaker.settings import BreakerSettings, SettingsGiven
from fuseboard.breaker.validation import LEAST_SECONDS, MOST_COUNTED, MOST_SECONDS


class NumberKind(Enum):
    """Which numbers a setting takes, in words."""

    COUNT = "a whole number of at least 1"
    CALLS = "a whole number from 1 to 10 million"
    SECONDS = "seconds, more than 0 and less than 30 years"
    SHARE = "a share, above 0 and at most 1"
    JITTER = "a share, at least 0 and below 1"
    FACTOR = "a number of at least 1"
    WHOLE = "a whole number"
    ANY = "a number"


@dataclass(frozen=True, slots=True)
class Tunable:
    """A number that can be changed while the breaker runs, as it is now."""

    name: str
    value: float
    kind: NumberKind
    meaning: str
    """What it is for, in a few words; empty where that is not known."""

    def check(self, value: float) -> None:
        """Raise `ValueError` if it cannot be `value`.

        What depends on other numbers too is said only by whatever takes it.
        """
        if not (-inf < value < inf and _FITS[self.kind](value)):
            raise ValueError(f"{self.name} takes {self.kind.value}, not {written(value)}")


def written(value: float) -> str:
    """Write a number as one would type it: `30`, `0.5`."""
    return repr(value).removesuffix(".0")


def tunables_of(settings: BreakerSettings) -> tuple[Tunable, ...]:
    """List the numbers of these settings."""
    return tuple(
        number
        for name in _SETTABLE
        for number in _numbers_in(settings, name, name, getattr(settings, name))
    )


def with_tunables(settings: BreakerSettings, changes: Mapping[str, float]) -> SettingsGiven:
    """Give what `CircuitBreaker.configure()` takes to change numbers of these settings, by name.

    Raises:
        ValueError: If one is not there, or cannot be what it is to be.
    """
    there = {number.name: number for number in tunables_of(settings)}
    exact: dict[str, float] = {}
    for name, value in changes.items():
        if name not in there:
            known = ", ".join(there)
            raise ValueError(f"there is no number called {name!r} to set, only {known}")
        there[name].check(value)
        exact[name] = int(value) if there[name].kind in _WHOLE else value
    given = {}
    for name in _SETTABLE:
        before = getattr(settings, name)
        after = _with(before, name, exact)
        if after != before:
            given[name] = after
    return cast("SettingsGiven", given)


_SETTABLE = (
    "trip",
    "recovery_timeout",
    "max_probes",
    "successes_to_close",
    "probe_timeout",
    "longest_retry_after",
)

_MOST = 10**9  # of what can be counted one by one

_WHOLE = {NumberKind.COUNT, NumberKind.CALLS, NumberKind.WHOLE}

_FITS: Mapping[NumberKind, Callable[[float], bool]] = {
    NumberKind.COUNT: lambda value: 1 <= value <= _MOST and value % 1 == 0,
    NumberKind.CALLS: lambda value: 1 <= value <= MOST_COUNTED and value % 1 == 0,
    NumberKind.SECONDS: lambda value: LEAST_SECONDS <= value <= MOST_SECONDS,
    NumberKind.SHARE: lambda value: 0 < value <= 1,
    NumberKind.JITTER: lambda value: 0 <= value < 1,
    NumberKind.FACTOR: lambda value: value >= 1,
    NumberKind.WHOLE: lambda value: value % 1 == 0,
    NumberKind.ANY: lambda _: True,
}

_MINIMUM_CALLS = (NumberKind.COUNT, "calls before the share counts")
_KNOWN: Mapping[tuple[type, str], tuple[NumberKind, str]] = {
    (ConsecutiveFailures, "threshold"): (NumberKind.COUNT, "failures in a row that open it"),
    (FailureRate, "rate"): (NumberKind.SHARE, "share of failed calls that opens it"),
    (FailureRate, "minimum_calls"): _MINIMUM_CALLS,
    (SlowCallRate, "seconds"): (NumberKind.SECONDS, "a call that takes longer is slow"),
    (SlowCallRate, "rate"): (NumberKind.SHARE, "share of slow calls that opens it"),
    (SlowCallRate, "minimum_calls"): _MINIMUM_CALLS,
    (CountWindow, "calls"): (NumberKind.CALLS, "latest calls that it looks at"),
    (TimeWindow, "seconds"): (NumberKind.SECONDS, "latest seconds that it looks at"),
    (BreakerSettings, "recovery_timeout"): (
        NumberKind.SECONDS,
        "from opening to the first probe",
    ),
    (Backoff, "initial"): (NumberKind.SECONDS, "the first opening"),
    (Backoff, "multiplier"): (NumberKind.FACTOR, "how much longer the next one is"),
    (Backoff, "cap"): (NumberKind.SECONDS, "the longest opening"),
    (Backoff, "jitter"): (NumberKind.JITTER, "what chance may take off an opening"),
    (BreakerSettings, "max_probes"): (NumberKind.COUNT, "probes at once while half-open"),
    (BreakerSettings, "successes_to_close"): (NumberKind.COUNT, "good probes that close it"),
    (BreakerSettings, "probe_timeout"): (
        NumberKind.SECONDS,
        "a probe silent for so long has failed",
    ),
    (BreakerSettings, "longest_retry_after"): (
        NumberKind.SECONDS,
        "a longer Retry-After is cut to this",
    ),
}


def _numbers_in(owner: object, field: str, name: str, value: object) -> Iterator[Tunable]:
    """List what can be set in the value of a field, which is a number or has numbers in it."""
    if _is_number(value):
        kind, meaning = _known(owner, field)
        yield Tunable(name, cast("float", value), kind, meaning)
        return
    for part_field, part_name, part in _parts(value, name):
        yield from _numbers_in(value, part_field, part_name, part)


def _with(value: Any, name: str, changes: Mapping[str, float]) -> Any:
    """Give a value as it is with the changes that concern it."""
    if _is_number(value):
        return changes.get(name, value)
    changed = {
        field: after
        for field, part_name, part in _parts(value, name)
        if (after := _with(part, part_name, changes)) != part
    }
    if not changed:
        return value
    if isinstance(value, AnyOf | AllOf):
        places = [changed.get(str(place), part) for place, part in enumerate(value.policies)]
        return type(value)(tuple(places))
    return replace(value, **changed)


def _parts(value: object, name: str) -> Iterator[tuple[str, str, object]]:
    """Go through what a value is made of: the field (or the place), the name, the part."""
    if isinstance(value, AnyOf | AllOf):
        for place, policy in enumerate(value.policies):
            yield str(place), f"{name}[{place}]", policy
    elif isinstance(value, TripPolicy | Window | Backoff) and is_dataclass(value):
        for field in fields(value):
            if field.init and not field.name.startswith("_"):
                yield field.name, f"{name}.{field.name}", getattr(value, field.name)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _known(owner: object, field: str) -> tuple[NumberKind, str]:
    for kind in type(owner).__mro__:
        if (kind, field) in _KNOWN:
            return _KNOWN[kind, field]
    # Somebody's own policy: the annotation tells, because 30 may stand where 30.5 may too.
    annotation = type(owner).__dataclass_fields__[field].type  # type: ignore[attr-defined]
    return (NumberKind.WHOLE if annotation in (int, "int") else NumberKind.ANY), ""
