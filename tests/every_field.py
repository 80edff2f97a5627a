"""Values of any type whose every field is filled, and a text that attacks whatever shows it.

The fields are found in the types, so that one that is added is filled as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from msgspec import Struct

from fuseboard.breaker.counters import LEGAL_TRANSITIONS
from fuseboard.breaker.snapshot import TransitionCounts
from fuseboard.snapshot.fault_setting import FaultSetting

MARK = "Mallory"
"""What one sees of a hostile text that was sanitised."""

_ATTACKS = (
    "\x1b]52;c;TWFsbG9yeQ==\x07",  # writes the clipboard
    "\x1b]2;Mallory\x1b\\",  # sets the title
    "\x1b[31337m\x1b[2J\x1b[8m",  # hides what follows
    "\x1bP1$r\x1b\\\x1b_Mallory\x1b\\",  # device control, application program command
    "\x9d52;c;TWFsbG9yeQ==\x9c\x9b31337m\x90Mallory\x9c",  # the same in C1
    "\x00\x08\x7f\x85\r",
    "\u202e\u2066\u200f\u061c\u2028\u200b\ufeff",  # bidi, line separator, zero width
    "".join(chr(0xE0000 + ord(letter)) for letter in MARK),  # tags: a hidden text
    "\ufe0f\U000e0101\u3164\u2063",  # variation selectors, filler
)


def hostile(place: str = "") -> str:
    """Return a text with every kind of attack in it, and the place it was put."""
    return f"{MARK}{''.join(_ATTACKS)}{place}"


_RAW = re.compile(
    "[\x00\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff"
    "\U000e0000-\U000e0fff]"
    # Sequences that Textual never writes; it does write the clipboard, when one copies.
    "|\x1b\\]52;c;(?:TWFsbG9yeQ==|x)\x07|\x1b\\[31337|\x1b\\[8m|\x1bP1|\x1b_|\x1b\\]2;[^\x07\x1b]*\x1b\\\\"
)


def raw_attacks(written: bytes) -> list[str]:
    """Return what of hostile texts came through to a terminal unchanged."""
    return _RAW.findall(written.decode("utf-8", "surrogateescape"))


def filled(
    kind: Any, text: Callable[[str], str] = hostile, place: str = "", choice: int = 0
) -> Any:
    """Return a value of a type with every field filled.

    Args:
        kind: A struct, a dataclass, a type that one of these has as a field.
        text: Makes the texts, each from the place of its field.
        place: The place of the value itself.
        choice: Which member of each enumeration is taken.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return filled(next(k for k in arguments if k is not NoneType), text, place, choice)
    if kind is str:
        return text(place)
    if kind in (int, float, bool):
        return kind(1)
    if kind is TransitionCounts:
        return TransitionCounts(dict.fromkeys(LEGAL_TRANSITIONS, 1))
    if kind is FaultSetting:
        return FaultSetting(0.5, 1.0, 1, (f"/{text(f'{place}.paths')}",))
    if isinstance(kind, type) and issubclass(kind, Enum):
        members = list(kind)
        return members[choice % len(members)]
    if origin is tuple:
        parts = arguments[:1] * 2 if arguments[1:] == (...,) else arguments
        return tuple(filled(part, text, place, choice + n) for n, part in enumerate(parts))
    if origin is Mapping:
        keys, values = arguments
        if isinstance(keys, type) and issubclass(keys, Enum):
            return {key: filled(values, text, place, choice) for key in keys}
        return {filled(keys, text, place): filled(values, text, place, choice)}
    if isinstance(kind, type) and (is_dataclass(kind) or issubclass(kind, Struct)):
        return kind(**filled_fields(kind, text, place, choice))
    raise TypeError(f"no value of {kind} is known: say how one is made")


def filled_fields(
    kind: type, text: Callable[[str], str] = hostile, place: str = "", choice: int = 0
) -> dict[str, Any]:
    """Return every field of a struct or dataclass, filled, by name."""
    return {
        name: filled(part, text, f"{place}.{name}".lstrip("."), choice)
        for name, part in get_type_hints(kind).items()
        if get_origin(part) is not type and not name.startswith("_")
    }
