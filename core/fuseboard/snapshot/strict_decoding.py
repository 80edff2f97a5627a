"""Conversion of decoded JSON to typed values, with errors that name the field.

msgspec reports "Expected `float`, got `str` - at `$.rates[...].p50`": without the
value and without the key of a mapping. It also ignores unknown members of an
object that becomes a dataclass, and takes numbers, texts and arrays that nobody
can draw: a limit of 0, a time in the year 10^9, an array of a million texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from enum import Enum
from functools import cache
from itertools import repeat
from types import NoneType, UnionType
from typing import Any, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from fuseboard.breaker.policies.base import Gauge
from fuseboard.breaker.snapshot import PoolSnapshot, TransitionCounts
from fuseboard.breaker.state import State
from fuseboard.invalid_input import InvalidInputError

T = TypeVar("T")


class _Range(NamedTuple):
    least: float
    most: float
    description: str

    def has(self, number: float) -> bool:
        return self.least <= number <= self.most


_ANY_NUMBER = _Range(-(2.0**63), 2.0**63, "a number below 2^63")
_ABOVE_0 = _Range(5e-324, 2.0**63, "a number above 0")  # the least number there is
_TIME = _Range(0, 1e11, "a Unix time in seconds")  # up to the year 5138
_SPAN = _Range(0, 1e10, "a number of seconds that is added to times")

_RANGES = {(Gauge, "limit"): _ABOVE_0, (PoolSnapshot, "maximum"): _ABOVE_0}
_RANGES_BY_NAME = {"silence": _SPAN, "uptime": _SPAN}

MAX_PARTS = 20_000
"""Members of one object or elements of one array; a snapshot has far fewer."""
_MAX_TEXT = 100_000  # characters

_LONGEST_VALUE = 40  # characters of a value in a message
_LONGEST_RULE = 160  # characters of a broken rule, which may quote a value

_EXPECTED = re.compile(r"Expected `([^`]*)`(?: of length (\d+))?, got ")
_MISSING = re.compile(r"Object missing required field `(\w+)`")
_TYPE_NAMES = {
    "array": "an array",
    "bool": "true or false",
    "float": "a number",
    "int": "a whole number",
    "object": "an object",
    "str": "a text",
}

# As the codec writes `TransitionCounts`, because JSON has no objects with pairs as keys.
_TransitionPairs = tuple[tuple[tuple[State, State], int], ...]


def convert(value: Any, kind: type[T]) -> T:
    """Return a decoded JSON value as a `kind`.

    Raises:
        ValueError: If it does not fit; the message names the field, as in
            `breakers[0].state`, and shortens its value.
    """
    try:
        converted = _convert(value, kind)
    except msgspec.ValidationError as error:
        place, reason = _explain(value, kind, error)
    else:
        flaw = _find_flaw(value, kind)
        if flaw is None:
            return converted
        place, reason = flaw
    raise InvalidInputError(f"{place.lstrip('.') or 'the snapshot'} {reason}")


def shorten(value: object) -> str:
    """Return a value's `repr()`, cut off if it is long."""
    try:
        return _cut(repr(value), _LONGEST_VALUE)
    except (RecursionError, ValueError):  # it is nested too deeply, or has too many digits
        return "…"


def _convert(value: Any, kind: type[T]) -> T:
    return msgspec.convert(value, kind, str_keys=True, dec_hook=_decode_custom)


def _fits(value: Any, kind: Any) -> bool:
    try:
        _convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def _decode_custom(kind: type, value: Any) -> object:
    if kind is TransitionCounts:
        return TransitionCounts(dict(msgspec.convert(value, _TransitionPairs)))
    raise NotImplementedError(f"a snapshot cannot hold a {kind.__name__}")


def _explain(value: Any, kind: Any, error: msgspec.ValidationError) -> tuple[str, str]:
    """Return the place of the smallest part that is refused, and why it is."""
    if " - at `" in str(error):  # it is about a part
        for step, part, part_kind in _parts(value, kind):
            try:
                _convert(part, part_kind)
            except msgspec.ValidationError as part_error:
                place, reason = _explain(part, part_kind, part_error)
                return step + place, reason
    return "", _reason(value, kind, str(error))


def _reason(value: Any, kind: Any, error: str) -> str:
    kind = _without_none(kind)
    if get_origin(kind) is Mapping and isinstance(value, dict):
        for key, part in value.items():
            if not _fits({key: part}, kind):
                return f"has an unknown key {shorten(key)}"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return f"is {shorten(value)}, not one of {', '.join(str(each.value) for each in kind)}"
    if missing := _MISSING.match(error):
        return f"lacks the field {missing[1]!r}"
    if expected := _EXPECTED.match(error):
        if expected[2]:
            return f"has {len(value)} values, not {expected[2]}"
        names = [_TYPE_NAMES.get(name, name) for name in expected[1].split(" | ")]
        return f"is {shorten(value)}, not {names[0]}"
    return f"makes no sense: {_cut(error, _LONGEST_RULE)}"


def _find_flaw(value: Any, kind: Any) -> tuple[str, str] | None:
    """Return what a value that fits its type has too much of, and the place; `None` if nothing."""
    if isinstance(value, str):
        too_long = len(value) > _MAX_TEXT
        return ("", f"is a text of {len(value):,} characters, too long") if too_long else None
    if isinstance(value, int | float):
        return _out_of_range(value, _ANY_NUMBER)
    if value is None:
        return None
    if len(value) > MAX_PARTS:
        return "", f"has {len(value):,} parts, and at most {MAX_PARTS:,} are read"
    if not isinstance(value, dict):
        if _are_all_numbers(value) and _ANY_NUMBER.has(min(value)) and _ANY_NUMBER.has(max(value)):
            return None
    elif known := _fields(_without_none(kind)):
        for name in value:
            if name not in known:
                return "", f"has an unknown field {shorten(name)}"
        for name, numbers in _ranges(_without_none(kind)).items():
            if value.get(name) is not None and (flaw := _out_of_range(value[name], numbers)):
                return f".{name}{flaw[0]}", flaw[1]
    for step, part, part_kind in _parts(value, kind):
        if flaw := _find_flaw(part, part_kind):
            return step + flaw[0], flaw[1]
    return None


def _out_of_range(number: float, numbers: _Range) -> tuple[str, str] | None:
    if numbers.has(number):
        return None
    return "", f"is {shorten(number)}, not {numbers.description}"


def _are_all_numbers(array: list[Any] | tuple[Any, ...]) -> bool:
    return bool(array) and set(map(type, array)) <= {int, float}


def _parts(value: Any, kind: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield what a value consists of: the step to it, the part, and the type it should have."""
    kind = _TransitionPairs if kind is TransitionCounts else _without_none(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple and isinstance(value, list | tuple):
        kinds = repeat(arguments[0]) if arguments[1:] == (...,) else arguments
        for index, (part, part_kind) in enumerate(zip(value, kinds, strict=False)):
            yield f"[{index}]", part, part_kind
    elif origin is Mapping and isinstance(value, dict):
        for key, part in value.items():
            yield f"[{shorten(key)}]", part, arguments[1]
    elif isinstance(value, dict):
        for name, part_kind in _fields(kind).items():
            if name in value:
                yield f".{name}", value[name], part_kind


@cache
def _fields(kind: Any) -> Mapping[str, Any]:
    """Return the types of a struct's or dataclass's fields; nothing for other types."""
    if isinstance(kind, type) and (is_dataclass(kind) or issubclass(kind, msgspec.Struct)):
        return get_type_hints(kind)
    return {}


@cache
def _ranges(kind: Any) -> Mapping[str, _Range]:
    """Return the ranges of the fields of a type that must not have just any number."""
    ranges: dict[str, _Range] = {}
    for name in _fields(kind):
        if name == "at" or name.endswith("_at"):
            ranges[name] = _TIME
        elif named := _RANGES.get((kind, name)) or _RANGES_BY_NAME.get(name):
            ranges[name] = named
    return ranges


@cache
def _without_none(kind: Any) -> Any:
    if get_origin(kind) in (Union, UnionType):
        (kind,) = (part for part in get_args(kind) if part is not NoneType)
    return kind


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
