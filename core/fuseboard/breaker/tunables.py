"""The numbers of a breaker that can be changed while it runs, each with a name.

Names follow the fields: `recovery_timeout`, or `recovery_timeout.cap` of a
`Backoff`; `trip.threshold`; `trip.over.calls` of a window. Combined policies
are numbered: `trip[0].threshold`. The fields' metadata says what each number
means and which values it may have (see `validation`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, cast

from fuseboard.breaker.backoff import Backoff
from fuseboard.breaker.policies.base import AllOf, AnyOf, TripPolicy
from fuseboard.breaker.policies.windows import Window
from fuseboard.breaker.settings import BreakerSettings, SettingsKwargs
from fuseboard.breaker.validation import NumberKind, plain_number, rule_of

_TOO_LARGE = 1e300  # whole numbers need not fit a `float`; JSON has neither infinities nor NaN
_MAX_COUNT = 10**9  # larger counts can be passed to a constructor, but not set by name


@dataclass(frozen=True, slots=True)
class Tunable:
    """A number that can be changed while the breaker runs, with its current value."""

    name: str
    value: float
    kind: NumberKind
    meaning: str
    """What it is for, in a few words; empty where that is not known."""

    def check(self, value: float) -> None:
        """Raise `ValueError` if the number may not be set to `value`.

        Relations between several numbers are checked only when the settings
        are made.
        """
        self.plain(value)

    def plain(self, value: float) -> int | float:
        """Return `value` as the number may be set to it: whole if it must be; see `check()`."""
        plain = _number(value)
        too_large = self.kind is NumberKind.COUNT and plain is not None and plain > _MAX_COUNT
        if too_large or plain is None or not self.kind.allows(plain):
            raise ValueError(f"{self.name} takes {self.kind.value}, not {format_number(value)}")
        return int(plain) if self.kind.is_whole else plain


def format_number(value: float) -> str:
    """Return a number as one would type it: `30`, `0.5`."""
    return repr(value).removesuffix(".0")


def tunables_of(settings: BreakerSettings) -> tuple[Tunable, ...]:
    """Return the numbers of these settings."""
    return tuple(_tunables_in(settings, ""))


def with_tunables(settings: BreakerSettings, changes: Mapping[str, float]) -> SettingsKwargs:
    """Return the arguments with which `CircuitBreaker.configure()` makes these changes.

    Args:
        settings: The current settings.
        changes: New values by name.

    Raises:
        ValueError: If there is no number of that name, or it may not have that value.
    """
    current = {number.name: number for number in tunables_of(settings)}
    exact: dict[str, float] = {}
    for name, value in changes.items():
        if name not in current:
            known = ", ".join(current)
            raise ValueError(f"there is no number called {name!r} to set, only {known}")
        exact[name] = current[name].plain(value)
    return cast("SettingsKwargs", _changed_parts(settings, "", exact))


def _tunables_in(owner: object, prefix: str) -> Iterator[Tunable]:
    """Yield the numbers among the parts of an object, and within these parts."""
    for field, name, part in _parts(owner, prefix):
        plain = _number(part)
        if plain is not None:
            kind, meaning = _describe(owner, field)
            yield Tunable(name, plain, kind, meaning)
        else:
            yield from _tunables_in(part, name)


def _changed_parts(owner: object, prefix: str, changes: Mapping[str, float]) -> dict[str, Any]:
    """Return the parts of an object that the changes alter, by field."""
    return {
        field: changed
        for field, name, part in _parts(owner, prefix)
        if (changed := _with_changes(part, name, changes)) != part
    }


def _with_changes(value: Any, name: str, changes: Mapping[str, float]) -> Any:
    if _number(value) is not None:
        return changes.get(name, value)
    changed = _changed_parts(value, name, changes)
    if not changed:
        return value
    if isinstance(value, AnyOf | AllOf):
        policies = [changed.get(str(place), part) for place, part in enumerate(value.policies)]
        return type(value)(tuple(policies))
    return replace(value, **changed)


def _parts(owner: object, prefix: str) -> Iterator[tuple[str, str, object]]:
    """Yield the field (or the place), the name and the value of each part of an object."""
    if isinstance(owner, AnyOf | AllOf):
        for place, policy in enumerate(owner.policies):
            yield str(place), f"{prefix}[{place}]", policy
    elif isinstance(owner, BreakerSettings | TripPolicy | Window | Backoff) and is_dataclass(owner):
        for field in fields(owner):
            if field.init and not field.name.startswith("_"):
                name = f"{prefix}.{field.name}" if prefix else field.name
                yield field.name, name, getattr(owner, field.name)


def _number(value: object) -> int | float | None:
    """Return a number as it can be written into a snapshot; `None` for anything else."""
    plain = plain_number(value)
    return plain if plain is not None and -_TOO_LARGE < plain < _TOO_LARGE else None


def _describe(owner: object, field: str) -> tuple[NumberKind, str]:
    rule = rule_of(type(owner), field)
    if rule is not None:
        return rule.kind, rule.meaning
    # A user's own policy: the annotation decides, because a value of 30 may be a float's.
    annotation = type(owner).__dataclass_fields__[field].type  # type: ignore[attr-defined]
    return (NumberKind.WHOLE if annotation in (int, "int") else NumberKind.ANY), ""
