"""Reading what stands behind an option; each raises `ArgumentTypeError` with what is wrong."""

from __future__ import annotations

import argparse
import math

from fuseboard.faults.notation import parse_fault
from fuseboard.faults.scenarios.scenario import Scenario, find_scenario
from fuseboard.ollama.host import ollama_url
from fuseboard.snapshot.fault_setting import FaultSetting
from fuseboard.snapshot.traffic_kind import TrafficKind
from fuseboard.traffic.questions import read_questions


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def positive_number(text: str) -> float:
    """Read a number above 0."""
    number = _number(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def number_or_none(text: str) -> float:
    """Read a number from 0 on."""
    number = _number(text)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 on")
    return number


def _whole(text: str, least: int, most: float, what: str) -> int:
    if text.isascii() and text.isdigit() and least <= int(text) <= most:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not {what}")


def count(text: str) -> int:
    """Read a whole number from 1 on."""
    return _whole(text, 1, math.inf, "a whole number from 1 on")


def count_or_none(text: str) -> int:
    """Read a whole number from 0 on."""
    return _whole(text, 0, math.inf, "a whole number from 0 on")


def prompts_in_file(path: str) -> tuple[str, ...]:
    """Read the prompts in a file."""
    try:
        return read_questions(path)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def port(text: str) -> int:
    """Read a port; 0 is any free one."""
    return _whole(text, 0, 65535, "a port from 0 to 65535")


def traffic_kind(text: str) -> TrafficKind:
    """Read the name of a kind of traffic."""
    try:
        return TrafficKind(text)
    except ValueError:
        names = ", ".join(kind.value for kind in TrafficKind)
        raise argparse.ArgumentTypeError(
            f"there is no traffic {text!r}; there are {names}"
        ) from None


def server(text: str) -> str:
    """Check that it names a server; it is kept as it is."""
    try:
        ollama_url(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def fault(text: str) -> tuple[str, FaultSetting]:
    """Read a fault and how it is set, as in `cut:0.5,chunks=10`."""
    try:
        return parse_fault(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def scenario(name: str) -> Scenario:
    """Find a built-in scenario, or read one from a file."""
    try:
        return find_scenario(name)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
