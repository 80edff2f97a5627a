"""The `keep_alive` of a request: how long a model stays loaded after its last use."""

from __future__ import annotations

import re

from fuseboard.simulator.errors import ApiError

DEFAULT_KEEP_ALIVE = 300.0
"""Seconds, unless a request sets another value."""

_FOREVER = float(2**63 // 10**9)  # seconds; the longest duration in Go
_COMPONENT = r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)"
_COMPONENTS = re.compile(_COMPONENT)
_DURATION = re.compile(rf"[+-]?(?:0|(?:{_COMPONENT})+)", re.ASCII)
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


def parse_keep_alive(value: object) -> float | None:
    """Return a `keep_alive` in seconds; `None` if the request does not set it.

    It is a number of seconds or a Go duration such as `1h30m`; a negative one never expires.

    Raises:
        ApiError: If it is neither.
    """
    match value:
        case None:
            return None
        case str():
            seconds = _duration_seconds(value)
        case bool() | list() | dict():
            go_types = {bool: "bool", list: "[]interface {}", dict: "map[string]interface {}"}
            raise ApiError(400, f"Unsupported type: '{go_types[type(value)]}'")
        case int() | float():
            seconds = value
    return min(seconds, _FOREVER) if seconds >= 0 else _FOREVER


def _duration_seconds(text: str) -> float:
    if not _DURATION.fullmatch(text):
        raise ApiError(400, f'time: invalid duration "{text}"')
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _COMPONENTS.findall(text))
    return -seconds if text.startswith("-") else seconds
