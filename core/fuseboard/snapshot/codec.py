"""The one codec of snapshots: JSON for recordings and exports, and back without loss.

A struct or dataclass is an object with a member for each field, a tuple is an
array, and a member of an enumeration is its value (a `State` is the number that
its gauge exports). A field that is added to a snapshot needs no change here.

JSON has no infinities and no NaN. Encoding refuses them: msgspec would write
`null`, and a reader could not tell that from a number that is not known.
"""

from __future__ import annotations

import json
from math import isfinite
from typing import Any

import msgspec

from fuseboard.breaker.snapshot import TransitionCounts
from fuseboard.invalid_input import InvalidInputError
from fuseboard.snapshot.snapshot import Snapshot
from fuseboard.snapshot.strict_decoding import convert, shorten

VERSION = 2
"""Stands in every object as `version`; raised when older objects can no longer be read."""


def encode(snapshot: Snapshot, *, indented: bool = False) -> bytes:
    """Return a snapshot as JSON, on one line unless it is to be indented for people.

    Raises:
        ValueError: If a number is not finite; the message names the field.
    """
    text = encode_builtins(to_builtins(snapshot))
    return msgspec.json.format(text, indent=1) if indented else text


def decode(text: bytes | str) -> Snapshot:
    """Return the snapshot that was encoded.

    A field that is missing has its default, if it has one.

    Raises:
        ValueError: If the text is no snapshot; the message names the field, as in
            `breakers[0].state`, and shortens its value.
    """
    return from_builtins(decode_builtins(text))


def to_builtins(snapshot: Snapshot) -> dict[str, Any]:
    """Return a snapshot as dicts, tuples and plain values, which two of them can be compared by."""
    fields = msgspec.to_builtins(snapshot, str_keys=True, enc_hook=_encode_custom)
    return {"version": VERSION, **fields}


def from_builtins(value: object) -> Snapshot:
    """Return the snapshot that a decoded JSON value stands for.

    Raises:
        ValueError: As `decode()` does.
    """
    if not isinstance(value, dict) or "version" not in value:
        raise InvalidInputError("this is no snapshot: it has no version")
    if value["version"] != VERSION:
        version = shorten(value["version"])
        raise InvalidInputError(
            f"this is a snapshot of version {version}, and only {VERSION} can be read"
        )
    fields = {name: part for name, part in value.items() if name != "version"}
    return convert(fields, Snapshot)


def encode_builtins(value: Any) -> bytes:
    """Return the builtins of a snapshot, or a difference between two, as JSON on one line.

    Half of a surrogate pair, which a server's JSON may contain and UTF-8 cannot
    express, becomes a question mark.

    Raises:
        ValueError: If a number is not finite; the message names its place.
    """
    place = _find_non_finite(value)
    if place is not None:
        place = place.lstrip(".") or "the value"
        raise ValueError(f"{place} is not a finite number, and JSON has no others")
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", "replace")


def decode_builtins(text: bytes | str) -> Any:
    """Return a JSON value as dicts, lists and plain values.

    Raises:
        ValueError: If the text is no JSON.
    """
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise InvalidInputError("this is no JSON") from None


def _encode_custom(value: object) -> object:
    if isinstance(value, TransitionCounts):
        return tuple(value.items())
    raise NotImplementedError(f"a snapshot cannot hold a {type(value).__name__}")


def _find_non_finite(value: Any) -> str | None:
    """Return the place of an infinity or NaN; `None` if there is none."""
    if isinstance(value, float):
        return None if isfinite(value) else ""
    if isinstance(value, dict):
        for name, part in value.items():
            if (place := _find_non_finite(part)) is not None:
                return f".{name}{place}"
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            if (place := _find_non_finite(part)) is not None:
                return f"[{index}]{place}"
    return None
