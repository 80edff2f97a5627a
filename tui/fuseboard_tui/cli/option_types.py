"""Types of options: functions that parse a text, or raise `click.BadParameter`.

The modules that define faults, scenarios and the like are imported only when one is parsed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click

from fuseboard.invalid_input import InvalidInputError

if TYPE_CHECKING:
    from fuseboard.faults.scenarios.scenario import Scenario
    from fuseboard.snapshot.fault_setting import FaultSetting
    from fuseboard.snapshot.traffic_kind import TrafficKind

PROMPTS_OF_TRAFFIC = "the prompts of the traffic"
"""The value of `--warm` without a file."""

_LEAST_SECONDS, _MOST_SECONDS = 1e-9, 1e8
_MAX_DIGITS = 18  # of a whole number

_T = TypeVar("_T")


def positive_number(text: str) -> float:
    """Read a number above 0."""
    number = _number(text)
    if not 0 < number < math.inf:
        raise click.BadParameter(f"{text!r} is not a number above 0")
    return number


def seconds(text: str) -> float:
    """Read a number of seconds that a breaker or a deadline can have."""
    number = _number(text)
    if not _LEAST_SECONDS <= number <= _MOST_SECONDS:
        raise click.BadParameter(
            f"{text!r} is not a number of seconds from {_LEAST_SECONDS:g} to {_MOST_SECONDS:g}"
        )
    return number


def non_negative_number(text: str) -> float:
    """Read a number from 0 on."""
    number = _number(text)
    if not 0 <= number < math.inf:
        raise click.BadParameter(f"{text!r} is not a number from 0 on")
    return number


def count(text: str) -> int:
    """Read a whole number from 1 on."""
    return _whole(text, 1, math.inf, "a whole number from 1 on")


def non_negative_count(text: str) -> int:
    """Read a whole number from 0 on."""
    return _whole(text, 0, math.inf, "a whole number from 0 on")


def port(text: str) -> int:
    """Read a port; 0 is any free one."""
    return _whole(text, 0, 65535, "a port from 0 to 65535")


def prompts_in_file(path: str) -> tuple[str, ...]:
    """Read the prompts in a file, one a line."""
    from fuseboard.traffic.questions import read_questions

    return _read(read_questions, path)


def prompts_to_cache(path: str) -> tuple[str, ...] | str:
    """Read the prompts in a file; without a file return `PROMPTS_OF_TRAFFIC`."""
    return prompts_in_file(path) if path else PROMPTS_OF_TRAFFIC


def traffic_kind(text: str) -> TrafficKind:
    """Read the name of a kind of traffic."""
    from fuseboard.snapshot.traffic_kind import TrafficKind

    try:
        return TrafficKind(text)
    except ValueError:
        names = ", ".join(kind.value for kind in TrafficKind)
        raise click.BadParameter(f"there is no traffic {text!r}; there are {names}") from None


def server(text: str) -> str:
    """Check that a text names a server, as `OLLAMA_HOST` does, and return it as it is."""
    from fuseboard.ollama.host import ollama_url

    _read(ollama_url, text)
    return text


def allowed_host(text: str) -> str:
    """Check that a text is a host's name, or `*`, and return it as it is."""
    from fuseboard.server.local_hosts import check_host

    return _read(check_host, text)


def allowed_origin(text: str) -> str:
    """Check that a text is a web site's origin, or `*`, and return it as it is."""
    from fuseboard.server.local_hosts import check_origin

    return _read(check_origin, text)


def fault(text: str) -> tuple[str, FaultSetting]:
    """Read a fault and how it is set, as in `cut:0.5,chunks=10`."""
    from fuseboard.faults.notation import parse_fault

    return _read(parse_fault, text)


def scenario(name: str) -> Scenario:
    """Find a built-in scenario, or read one from a file."""
    from fuseboard.faults.scenarios.scenario import find_scenario

    return _read(find_scenario, name)


def _read(read: Callable[[str], _T], text: str) -> _T:
    try:
        return read(text)
    except InvalidInputError as error:
        raise click.BadParameter(str(error)) from error


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _whole(text: str, least: int, most: float, what: str) -> int:
    is_whole = text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS
    if is_whole and least <= int(text) <= most:
        return int(text)
    raise click.BadParameter(f"{text!r} is not {what}")
