"""The rules for numbers in settings, stated once: as metadata of their fields.

    @dataclass(frozen=True)
    class Pause:
        seconds: float = field(metadata=number(NumberKind.SECONDS, "how long it lasts"))

        def __post_init__(self) -> None:
            check_numbers(self)

`check_numbers()` checks a new instance by these rules, and `tunables` lists,
describes and changes the same numbers while the breaker runs.

A number is what Python's `numbers` counts as one, and `Decimal`; not `True`.
It becomes an `int` or a `float`, so that it can be exported and written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import Enum
from math import inf, nan
from numbers import Complex, Integral, Number, Real
from typing import Any

_MIN_SECONDS, _MAX_SECONDS = 1e-9, 1e9  # beyond these, arithmetic with clocks overflows
_MAX_WINDOW = 10_000_000  # calls; each takes a byte
_MAX_FACTOR = 1e9
_MAX_WHOLE = 2**63 - 1  # what other readers of a snapshot can hold

_RULE = "fuseboard.number"


class NumberKind(Enum):
    """What a number stands for, and so which values it may have; the value describes them."""

    COUNT = "a whole number of at least 1"
    AMOUNT = "a whole number of at least 0"
    CALLS = "a whole number from 1 to 10 million"
    SECONDS = "seconds, more than 0 and less than 30 years"
    SHARE = "a share, above 0 and at most 1"
    JITTER = "a share, at least 0 and below 1"
    FACTOR = "a number from 1 to a billion"
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

    def check(self, name: str, value: object) -> Any:
        """Return the value for the setting `name`, as an `int` or a `float`.

        Raises:
            TypeError, ValueError: If the setting may not have this value.
        """
        plain = plain_number(value)
        if plain is None or (self.is_whole and not isinstance(plain, int)):
            takes = "a whole number" if self.is_whole else "a number"
            takes = "seconds" if self is NumberKind.SECONDS else takes
            raise TypeError(f"{name} takes {takes}, not {value!r}")
        for holds, demand in _LIMITS[self]:
            if not holds(plain):
                raise ValueError(f"{name} {demand}, not {value!r}")
        return plain


def plain_number(value: object) -> int | float | None:
    """Return a number as an `int` if it is whole by its type, else as a `float`.

    `None` stands for what is no number, as `True` and `"3"`. One that is too
    large for a `float` becomes an infinity.
    """
    kind = type(value)
    if kind is int or kind is float:
        return value  # type: ignore[return-value]
    if kind is bool or not isinstance(value, Number):
        return None
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Complex) and not isinstance(value, Real):
        return None
    try:
        return float(value)  # type: ignore[arg-type]
    except OverflowError:
        return inf if value > 0 else -inf  # type: ignore[operator]
    except ValueError:  # a signalling NaN
        return nan


_WHOLE = {NumberKind.COUNT, NumberKind.AMOUNT, NumberKind.CALLS, NumberKind.WHOLE}

_Limit = tuple[Callable[[float], bool], str]
_AT_LEAST_1: _Limit = (lambda value: value >= 1, "must be at least 1")
_WRITABLE: _Limit = (lambda value: abs(value) <= _MAX_WHOLE, "must be less than 2**63")

# The limits of each kind, and what an error demands where one does not hold.
_LIMITS: Mapping[NumberKind, tuple[_Limit, ...]] = {
    NumberKind.COUNT: (_AT_LEAST_1, _WRITABLE),
    NumberKind.AMOUNT: ((lambda value: value >= 0, "must not be negative"), _WRITABLE),
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
    NumberKind.FACTOR: (
        (lambda value: value >= 1, "must be at least 1"),
        (lambda value: value <= _MAX_FACTOR, f"must be at most {_MAX_FACTOR:g}"),
    ),
    NumberKind.WHOLE: (_WRITABLE,),
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
    """Check all numbers of a new dataclass instance that have a rule, and make them plain.

    Raises:
        TypeError, ValueError: If one breaks its rule.
    """
    for field in fields(settings):
        rule = rule_of(type(settings), field.name)
        if rule is None:
            continue
        value = getattr(settings, field.name)
        if not isinstance(value, rule.unless):
            plain = rule.kind.check(rule.label or field.name, value)
            if plain is not value:
                object.__setattr__(settings, field.name, plain)  # which may be frozen
