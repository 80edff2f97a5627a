"""How long a model stays loaded after its last use."""

from __future__ import annotations

import re

from fuseboard.simulator.errors import RefusedError

DEFAULT_KEEP_ALIVE = 300.0
"""Seconds, where no request has said."""

_FOREVER = float(2**63 // 10**9)  # seconds; Go has no longer duration
_PART = r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)"
_PARTS = re.compile(_PART)
_DURATION = re.compile(rf"[+-]?(?:0|(?:{_PART})+)", re.ASCII)
_SECONDS = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}


def keep_alive_seconds(value: object) -> float | None:
    """Read a `keep_alive`: seconds, or a Go duration such as `1h30m`; negative is for ever.

    Raises:
        RefusedError: If it is neither.
    """
    match value:
        case None:
            return None
        case str():
            seconds = _duration_seconds(value)
        case bool() | list() | dict():
            go_types = {bool: "bool", list: "[]interface {}", dict: "map[string]interface {}"}
            raise RefusedError(400, f"Unsupported type: '{go_types[type(value)]}'")
        case int() | float():
            seconds = value
    return min(seconds, _FOREVER) if seconds >= 0 else _FOREVER


def _duration_seconds(text: str) -> float:
    if not _DURATION.fullmatch(text):
        raise RefusedError(400, f'time: invalid duration "{text}"')
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _PARTS.findall(text))
    return -seconds if text.startswith("-") else seconds
