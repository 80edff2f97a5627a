"""The text notation of a fault: `cut`, `cut:0.5`, `cut:0.5,chunks=10,path=/api/chat`."""

from __future__ import annotations

from math import isnan, nan
from typing import Any

from fuseboard.faults.catalogue import find_fault
from fuseboard.invalid_input import InvalidInputError
from fuseboard.snapshot.fault_setting import FaultSetting

_MAX_DIGITS = 18  # of a number of chunks


def parse_fault(text: str) -> tuple[str, FaultSetting]:
    """Return the name and the setting of a fault; what the text leaves out is its default.

    Raises:
        ValueError: If there is no such fault or a value is invalid; the message says why.
    """
    head, *options = text.split(",")
    name, colon, probability = head.partition(":")
    fault = find_fault(name)
    changes: dict[str, Any] = {}
    if colon:
        changes["probability"] = parse_float(probability)
        if not 0 < changes["probability"] <= 1:
            raise InvalidInputError(
                f"{probability!r} is not a probability above 0 and at most 1, as in {name}:0.5"
            )
    for option in options:
        key, _, value = option.partition("=")
        match key:
            case "seconds":
                changes[key] = parse_float(value)
                if isnan(changes[key]):
                    raise InvalidInputError(
                        f"{value!r} is not a number of seconds, as in seconds=2.5"
                    )
            case "chunks":
                if not (value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS):
                    raise InvalidInputError(f"{value!r} is not a number of chunks, as in chunks=3")
                changes[key] = int(value)
            case "path":
                changes["paths"] = (*changes.get("paths", ()), value)
            case _:
                raise InvalidInputError(f"{option!r} is none of seconds=N, chunks=N and path=/P")
    return name, fault.setting(**changes)


def format_fault(name: str, setting: FaultSetting) -> str:
    """Return a fault with its complete setting as a text that `parse_fault()` reads."""
    parts = [f"{name}:{setting.probability!r}"]
    if setting.seconds is not None:
        parts.append(f"seconds={setting.seconds!r}")
    if setting.chunks is not None:
        parts.append(f"chunks={setting.chunks}")
    parts += (f"path={path}" for path in setting.paths or ())
    return ",".join(parts)


def parse_float(text: str) -> float:
    """Return the number that a text has, or NaN if it has none."""
    try:
        return float(text)
    except ValueError:
        return nan
