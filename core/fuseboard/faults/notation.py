"""Faults as people write them: `cut`, `cut:0.5`, `cut:0.5,chunks=10,path=/api/chat`."""

from __future__ import annotations

from math import nan
from typing import Any

from fuseboard.faults.catalogue import find_fault
from fuseboard.snapshot.fault_setting import FaultSetting


def parse_fault(text: str) -> tuple[str, FaultSetting]:
    """Read a fault's name, and after it how it is set where that is not as usual.

    Raises:
        ValueError: If there is no such fault or it cannot be set so; the message says why.
    """
    spelled, *choices = text.split(",")
    name, colon, share = spelled.partition(":")
    fault = find_fault(name)
    changes: dict[str, Any] = {}
    if colon:
        changes["probability"] = _number(share)
        if not 0 < changes["probability"] <= 1:
            raise ValueError(
                f"{share!r} is not a probability above 0 and at most 1, as in {name}:0.5"
            )
    for choice in choices:
        what, _, value = choice.partition("=")
        match what:
            case "seconds":
                changes[what] = _number(value)
                if changes[what] != changes[what]:
                    raise ValueError(f"{value!r} is not a number of seconds, as in seconds=2.5")
            case "chunks":
                if not (value.isascii() and value.isdigit()):
                    raise ValueError(f"{value!r} is not a number of chunks, as in chunks=3")
                changes[what] = int(value)
            case "path":
                changes["paths"] = (*changes.get("paths", ()), value)
            case _:
                raise ValueError(f"{choice!r} is none of seconds=N, chunks=N and path=/P")
    return name, fault.setting(**changes)


def format_fault(name: str, setting: FaultSetting) -> str:
    """Write a fault and all of its setting, as `parse_fault()` reads it.

    Raises `ValueError` if there is no such fault.
    """
    choices = [f"{name}:{setting.probability!r}"]
    if setting.seconds is not None:
        choices.append(f"seconds={setting.seconds!r}")
    if setting.chunks is not None:
        choices.append(f"chunks={setting.chunks}")
    # To hit all must be said where a fault usually hits only some.
    everywhere = ("/",) if find_fault(name).default.paths else ()
    choices += (f"path={path}" for path in setting.paths or everywhere)
    return ",".join(choices)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return nan
