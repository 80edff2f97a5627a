"""The rules for numbers in settings, stated once: as metadata of their fields.

    @dataclass(frozen=True)
    class Pause:
        seconds: float = field(metadata=number(NumberKind.SECONDS, "how long it lasts"))

        def __post_init__(self) -> None:
            check_numbers(self)

`check_numbers()` checks a new instance by these rules, and `tunables` lists,
describes and changes the same numbers while the breaker runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import Enum
from math import inf
from typing import Any

_MIN_SECONDS, _MAX_SECONDS = 1e-9, 1e9  # beyond these, arithmetic with clocks overflows
_MAX_WINDOW = 10_000_000  # calls; each takes a byte

_RULE = "fuseboard.number"


class NumberKind(Enum):
    """What a number stands for, and so which values it may have; the value describes them."""

    COUNT = "a whole number of at least 1"
    CALLS = "a whole number from 1 to 10 million"
    SECONDS = "seconds, more than 0 and less than 30 years"
    SHARE = "a share, above 0 and at most 1"
    JITTER = "a share, at least 0 and below 1"
    FACTOR = "a number of at least 1"
    WHOLE = "a whole number"
    ANY = "a number"

    @property
    def is_whole(self) -> bool:
        """Whether only whole numbers are allowed."""
        return self in _WHOLE

    def allows(self, value: float) -> bool:
        """Return whether a setting of this kind may have this value."""
        if self.is_whole and value % 1 != 0:
            return False
        return all(holds(value) for holds, _ in _LIMITS[self])

    def check(self, name: str, value: Any) -> None:
        """Raise `TypeError` or `ValueError` if the setting `name` may not have this value."""
        if self.is_whole and not isinstance(value, int):
            raise TypeError(f"{name} takes a whole number, not {value!r}")
        if self is NumberKind.SECONDS and not isinstance(value, int | float):
            raise TypeError(f"{name} takes seconds, not {value!r}")
        for holds, demand in _LIMITS[self]:
            if not holds(value):
                raise ValueError(f"{name} {demand}, not {value!r}")


_WHOLE = {NumberKind.COUNT, NumberKind.CALLS, NumberKind.WHOLE}

_Limit = tuple[Callable[[float], bool], str]
_AT_LEAST_1: _Limit = (lambda value: value >= 1, "must be at least 1")

# The limits of each kind, and what an error demands where one does not hold.
_LIMITS: Mapping[NumberKind, tuple[_Limit, ...]] = {
    NumberKind.COUNT: (_AT_LEAST_1,),
    NumberKind.CALLS: (
        _AT_LEAST_1,
        (lambda value: value <= _MAX_WINDOW, f"holds at most {_MAX_WINDOW:,}"),
    ),
    NumberKind.SECONDS: (
        (lambda value: value > 0, "must be a positive number"),
        (
            lambda value: _MIN_SECONDS <= value <= _MAX_SECONDS,
            f"must be from {_MIN_SECONDS:g} to {_MAX_SECONDS:g} seconds",
        ),
    ),
    NumberKind.SHARE: ((lambda value: 0 < value <= 1, "must be above 0 and at most 1"),),
    NumberKind.JITTER: ((lambda value: 0 <= value < 1, "must be at least 0 and less than 1"),),
    NumberKind.FACTOR: ((lambda value: 1 <= value < inf, "must be at least 1"),),
    NumberKind.WHOLE: (),
    NumberKind.ANY: (),
}


@dataclass(frozen=True, slots=True)
class NumberRule:
    """The rule for one number in settings."""

    kind: NumberKind
    meaning: str
    """What the number is for, in a few words, as the settings screen shows it."""
    label: str
    """What errors call it, where that is not the field's name."""
    unless: tuple[type, ...]
    """Types that the field may have instead of a number."""


def number(
    kind: NumberKind, meaning: str, *, label: str = "", unless: tuple[type, ...] = ()
) -> Mapping[str, NumberRule]:
    """Return the metadata of a dataclass field that is a number; see `NumberRule`."""
    return {_RULE: NumberRule(kind, meaning, label, unless)}


def rule_of(owner: type, field: str) -> NumberRule | None:
    """Return the rule for a field of a dataclass; a field that a subclass redefines keeps it."""
    for cls in owner.__mro__:
        declared = cls.__dict__.get("__dataclass_fields__", {}).get(field)
        if declared is not None and _RULE in declared.metadata:
            rule: NumberRule = declared.metadata[_RULE]
            return rule
    return None


def check_numbers(settings: Any) -> None:
    """Check all numbers of a dataclass instance that have a rule.

    Raises:
        TypeError, ValueError: If one breaks its rule.
    """
    for field in fields(settings):
        rule = rule_of(type(settings), field.name)
        if rule is None:
            continue
        value = getattr(settings, field.name)
        if not isinstance(value, rule.unless):
            rule.kind.check(rule.label or field.name, value)
