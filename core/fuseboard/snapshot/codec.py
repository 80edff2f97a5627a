"""A snapshot as one JSON object, and back again without loss.

How each part is written follows from its type: a dataclass is an object, a
tuple an array, a member of an enumeration its name, and a mapping whose keys
are no strings an array of pairs. So a field that is added to a snapshot is
written and read without a change here.
"""

from __future__ import annotations

import math
import types
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from fuseboard.snapshot.snapshot import Snapshot

VERSION = 1
"""Stands in every object as `version`; it changes when old ones can be read no longer."""

_NOT_FINITE = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}  # which JSON has no words for


def to_json(snapshot: Snapshot) -> dict[str, Any]:
    """Turn a snapshot into what `json.dumps()` takes."""
    written: dict[str, Any] = _shape(Snapshot).write(snapshot)
    return {"version": VERSION, **written}


def from_json(value: object) -> Snapshot:
    """Turn what `json.loads()` gives back into a snapshot.

    A field that is missing has its default, if it has one.

    Raises:
        ValueError: If it is no snapshot; the message says where, as in `breakers[0].state`.
    """
    if not isinstance(value, dict) or "version" not in value:
        raise ValueError("this is no snapshot: it has no version")
    if value["version"] != VERSION:
        raise ValueError(
            f"this is a snapshot of version {value['version']!r}, and only {VERSION} can be read"
        )
    rest = {name: part for name, part in value.items() if name != "version"}
    try:
        snapshot: Snapshot = _shape(Snapshot).read(rest)
    except _UnfitError as error:
        raise ValueError(f"{error.place.lstrip('.') or 'the snapshot'} {error.what}") from None
    return snapshot


class _UnfitError(Exception):
    """What is wrong with a value; the place is put together on the way out."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what
        self.place = ""


class _Shape(ABC):
    """How the values of one type are written and read."""

    @abstractmethod
    def write(self, value: Any) -> Any: ...

    @abstractmethod
    def read(self, value: Any) -> Any: ...


class _Plain(_Shape):
    """Text, whole numbers, truth."""

    def __init__(self, kind: type, words: str) -> None:
        self._kind = kind
        self._words = words

    def write(self, value: Any) -> Any:
        return value

    def read(self, value: Any) -> Any:
        if type(value) is not self._kind:
            raise _UnfitError(f"is {_told(value)}, not {self._words}")
        return value


class _Number(_Shape):
    def write(self, value: float) -> float | str:
        return value if math.isfinite(value) else str(value)

    def read(self, value: Any) -> float:
        if isinstance(value, str) and value in _NOT_FINITE:
            return _NOT_FINITE[value]
        if type(value) not in (float, int):
            raise _UnfitError(f"is {_told(value)}, not a number")
        number: float = value
        return number


class _Choice(_Shape):
    def __init__(self, kind: type[Enum]) -> None:
        self._members = dict(kind.__members__)

    def write(self, value: Enum) -> str:
        return value.name

    def read(self, value: Any) -> Enum:
        if not isinstance(value, str) or value not in self._members:
            raise _UnfitError(f"is {_told(value)}, not one of {', '.join(self._members)}")
        return self._members[value]


class _Optional(_Shape):
    def __init__(self, shape: _Shape) -> None:
        self._shape = shape

    def write(self, value: Any) -> Any:
        return None if value is None else self._shape.write(value)

    def read(self, value: Any) -> Any:
        return None if value is None else self._shape.read(value)


class _Row(_Shape):
    """As many values of one kind as there are."""

    def __init__(self, shape: _Shape) -> None:
        self._shape = shape

    def write(self, value: Sequence[Any]) -> list[Any]:
        return [self._shape.write(part) for part in value]

    def read(self, value: Any) -> tuple[Any, ...]:
        return tuple(
            _read_part(self._shape, part, f"[{place}]") for place, part in enumerate(_list(value))
        )


class _Group(_Shape):
    """So many values, each of its own kind."""

    def __init__(self, shapes: Sequence[_Shape]) -> None:
        self._shapes = shapes

    def write(self, value: Sequence[Any]) -> list[Any]:
        return [shape.write(part) for shape, part in zip(self._shapes, value, strict=True)]

    def read(self, value: Any) -> tuple[Any, ...]:
        parts = _list(value)
        if len(parts) != len(self._shapes):
            raise _UnfitError(f"has {len(parts)} values, not {len(self._shapes)}")
        return tuple(
            _read_part(shape, part, f"[{place}]")
            for place, (shape, part) in enumerate(zip(self._shapes, parts, strict=True))
        )


class _Named(_Shape):
    """A mapping whose keys are strings."""

    def __init__(self, shape: _Shape) -> None:
        self._shape = shape

    def write(self, value: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._shape.write(part) for name, part in value.items()}

    def read(self, value: Any) -> dict[str, Any]:
        return {
            name: _read_part(self._shape, part, f"[{name!r}]")
            for name, part in _object(value).items()
        }


class _Pairs(_Shape):
    """A mapping whose keys are no strings."""

    def __init__(self, key: _Shape, value: _Shape) -> None:
        self._rows = _Row(_Group((key, value)))

    def write(self, value: Mapping[Any, Any]) -> list[Any]:
        return self._rows.write(tuple(value.items()))

    def read(self, value: Any) -> dict[Any, Any]:
        return dict(self._rows.read(value))


class _Record(_Shape):
    """A dataclass."""

    def __init__(self, kind: type) -> None:
        hints = get_type_hints(kind)
        self._kind = kind
        self._shapes = {field.name: _shape(hints[field.name]) for field in fields(kind)}
        self._required = [
            field.name
            for field in fields(kind)
            if field.default is MISSING and field.default_factory is MISSING
        ]

    def write(self, value: Any) -> dict[str, Any]:
        return {name: shape.write(getattr(value, name)) for name, shape in self._shapes.items()}

    def read(self, value: Any) -> Any:
        parts = _object(value)
        if unknown := parts.keys() - self._shapes.keys():
            raise _UnfitError(f"has an unknown field {min(unknown)!r}")
        for name in self._required:
            if name not in parts:
                raise _UnfitError(f"lacks the field {name!r}")
        given = {
            name: _read_part(self._shapes[name], part, f".{name}") for name, part in parts.items()
        }
        try:
            return self._kind(**given)
        except ValueError as error:
            raise _UnfitError(f"makes no sense: {error}") from None


def _read_part(shape: _Shape, value: Any, place: str) -> Any:
    try:
        return shape.read(value)
    except _UnfitError as error:
        error.place = place + error.place
        raise


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _UnfitError(f"is {_told(value)}, not an array")
    return value


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _UnfitError(f"is {_told(value)}, not an object")
    return value


def _told(value: Any) -> str:
    said = repr(value)
    return said if len(said) <= 40 else said[:39] + "…"


_PLAIN = {
    str: _Plain(str, "a text"),
    int: _Plain(int, "a whole number"),
    bool: _Plain(bool, "true or false"),
    float: _Number(),
}


@cache
def _shape(kind: Any) -> _Shape:
    origin, parts = get_origin(kind), get_args(kind)
    if kind in _PLAIN:
        return _PLAIN[kind]
    if origin in (Union, types.UnionType) and len(parts) == 2 and types.NoneType in parts:
        (kept,) = (part for part in parts if part is not types.NoneType)
        return _Optional(_shape(kept))
    if origin is Sequence or (origin is tuple and parts[1:] == (...,)):
        return _Row(_shape(parts[0]))
    if origin is tuple:
        return _Group([_shape(part) for part in parts])
    if origin is Mapping:
        key, value = parts
        return _Named(_shape(value)) if key is str else _Pairs(_shape(key), _shape(value))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _Choice(kind)
    if isinstance(kind, type) and is_dataclass(kind):
        return _Record(kind)
    raise TypeError(f"there is no way to write {kind!r} as JSON")
