"""The text format of a scenario: which faults are switched at which second."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from math import inf
from pathlib import Path

from fuseboard.faults.catalogue import find_fault
from fuseboard.faults.notation import parse_fault, parse_float
from fuseboard.invalid_input import InvalidInputError
from fuseboard.snapshot.fault_setting import FaultSetting
from fuseboard.text_file import read_text_file

BUILT_IN = ("outage", "brownout", "flapping")

_MIN_PERIOD = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Step:
    """The faults that are switched at one time of a scenario."""

    earliest: float
    """Seconds after the scenario's start; the step's time is random from here to `latest`."""
    latest: float
    text: str
    """The actions as they were written."""
    clears: bool = False
    """Whether every fault is switched off first."""
    on: tuple[tuple[str, FaultSetting], ...] = ()
    off: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scenario:
    """A named sequence of steps, ordered by time."""

    name: str
    steps: tuple[Step, ...]
    repeats_after: float | None = None
    """Seconds from one start to the next; `None` if the scenario ends with its last step."""


def find_scenario(name: str) -> Scenario:
    """Return a built-in scenario by its name, or else the scenario in the file of that name.

    Raises:
        ValueError: If there is neither, or the text is invalid; the message names the line.
    """
    if name in BUILT_IN:
        text = files(__package__).joinpath(f"{name}.txt").read_text("utf-8")
        return parse_scenario(text, name)
    missing = f"there is no scenario and no file {name!r}; there are {', '.join(BUILT_IN)}"
    text = read_text_file(name, "the scenario", missing=missing)
    return parse_scenario(text, Path(name).stem)


def parse_scenario(text: str, name: str) -> Scenario:
    """Return the scenario that a text describes.

    A line begins with a time in seconds, or a range (`5-8`) from which a time is
    chosen at random. The actions of that time follow: a fault to switch on, in
    the notation of `fuseboard.faults.notation`; `-cut` to switch a fault off;
    `clear` to switch all of them off; or, on the last line, `repeat`. A comment
    begins with `#`.

    Raises:
        ValueError: If the text is invalid; the message names the line.
    """
    parser = _ScenarioParser()
    for number, line in _numbered_lines(text):
        try:
            parser.parse_line(line)
        except InvalidInputError as error:
            raise InvalidInputError(f"scenario {name}, line {number}: {error}") from None
    if not parser.steps:
        raise InvalidInputError(f"scenario {name}: nothing happens in it; a line is `5 error500`")
    return Scenario(name, tuple(parser.steps), parser.repeats_after)


class _ScenarioParser:
    """The steps parsed so far, and what the next line may contain after them."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.repeats_after: float | None = None
        self._latest = 0.0

    def parse_line(self, line: str) -> None:
        """Add a line; raise `ValueError` if it is invalid or out of order."""
        if self.repeats_after is not None:
            raise InvalidInputError("nothing can come after repeat")
        time, *actions = line.split()
        earliest, latest = _parse_time(time)
        if earliest < self._latest:
            raise InvalidInputError(
                f"second {earliest:g} stands after {self._latest:g}; put it before"
            )
        self._latest = latest
        if actions != ["repeat"]:
            self.steps.append(_parse_step(earliest, latest, actions))
        elif earliest == latest >= _MIN_PERIOD:
            self.repeats_after = latest
        else:
            raise InvalidInputError(f"repeat wants one second, from {_MIN_PERIOD:g} on")


def _numbered_lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.split("\n"), start=1):
        content = line.partition("#")[0].strip()
        if content:
            yield number, content


def _parse_time(text: str) -> tuple[float, float]:
    first, dash, last = text.partition("-")
    earliest = parse_float(first)
    latest = parse_float(last) if dash else earliest
    if not 0 <= earliest <= latest < inf:
        raise InvalidInputError(f"{text!r} is not a second, as 5, or a range of them, as 5-8")
    return earliest, latest


def _parse_step(earliest: float, latest: float, actions: list[str]) -> Step:
    on: list[tuple[str, FaultSetting]] = []
    off: list[str] = []
    for action in actions:
        if action == "repeat":
            raise InvalidInputError("repeat stands alone on its line")
        if action.startswith("-"):
            off.append(find_fault(action[1:]).name)
        elif action != "clear":
            on.append(parse_fault(action))
    if not actions:
        raise InvalidInputError(
            "nothing happens then; write a fault, -fault, clear or repeat after it"
        )
    return Step(earliest, latest, " ".join(actions), "clear" in actions, tuple(on), tuple(off))
