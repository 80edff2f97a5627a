"""Faults strung over time, as a text that people write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from math import inf, nan
from pathlib import Path

from fuseboard.faults.catalogue import find_fault
from fuseboard.faults.notation import parse_fault
from fuseboard.snapshot.fault_setting import FaultSetting

BUILT_IN = ("outage", "brownout", "flapping")

_SHORTEST_ROUND = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Step:
    """What happens at one moment of a scenario."""

    earliest: float
    """Seconds after the scenario's start."""
    latest: float
    words: str
    """What it does, as it was written."""
    clears: bool = False
    """Whether it switches every fault off, before anything else."""
    on: tuple[tuple[str, FaultSetting], ...] = ()
    off: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scenario:
    """Steps in the order of their time."""

    name: str
    steps: tuple[Step, ...]
    repeats_after: float | None = None
    """Seconds after which it begins anew; `None` if it ends with its last step."""


def find_scenario(name: str) -> Scenario:
    """Find a built-in scenario by name, or read one from a file.

    Raises:
        ValueError: If there is none, or it makes no sense; the message says where.
    """
    if name in BUILT_IN:
        text = files(__package__).joinpath(f"{name}.txt").read_text("utf-8")
        return read_scenario(text, name)
    try:
        text = Path(name).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        known = ", ".join(BUILT_IN)
        raise ValueError(f"there is no scenario and no file {name!r}; there are {known}") from None
    except OSError as error:
        raise ValueError(f"cannot read the scenario in {name}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"cannot read the scenario in {name}: it is not UTF-8 text") from None
    return read_scenario(text, Path(name).stem)


def read_scenario(text: str, name: str) -> Scenario:
    """Read a scenario.

    A line has a second, or a range from which a second is drawn (`5-8`), and
    after it what happens then: faults as `fuseboard.faults.notation` has them,
    which come on, `-cut` for one that goes off, `clear` for all of them, or, as
    the last line, `repeat`. What comes after `#` is passed over.

    Raises:
        ValueError: If it is none; the message names the line.
    """
    reader = _Reader()
    for number, line in _lines(text):
        try:
            reader.read(line)
        except ValueError as error:
            raise ValueError(f"scenario {name}, line {number}: {error}") from None
    if not reader.steps:
        raise ValueError(f"scenario {name}: nothing happens in it; a line is `5 error500`")
    return Scenario(name, tuple(reader.steps), reader.repeats_after)


class _Reader:
    """What has been read so far; each line raises `ValueError` if it does not fit."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.repeats_after: float | None = None
        self._latest = 0.0

    def read(self, line: str) -> None:
        if self.repeats_after is not None:
            raise ValueError("nothing can come after repeat")
        moment, *actions = line.split()
        earliest, latest = _read_moment(moment)
        if earliest < self._latest:
            raise ValueError(f"second {earliest:g} stands after {self._latest:g}; put it before")
        self._latest = latest
        if actions != ["repeat"]:
            self.steps.append(_read_step(earliest, latest, actions))
        elif earliest == latest >= _SHORTEST_ROUND:
            self.repeats_after = latest
        else:
            raise ValueError(f"repeat wants one second, from {_SHORTEST_ROUND:g} on")


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.split("\n"), start=1):
        meant = line.partition("#")[0].strip()
        if meant:
            yield number, meant


def _read_moment(text: str) -> tuple[float, float]:
    first, dash, last = text.partition("-")
    earliest = _seconds(first)
    latest = _seconds(last) if dash else earliest
    if not 0 <= earliest <= latest < inf:
        raise ValueError(f"{text!r} is not a second, as 5, or a range of them, as 5-8")
    return earliest, latest


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return nan


def _read_step(earliest: float, latest: float, actions: list[str]) -> Step:
    on: list[tuple[str, FaultSetting]] = []
    off: list[str] = []
    for action in actions:
        if action == "repeat":
            raise ValueError("repeat stands alone on its line")
        if action.startswith("-"):
            off.append(find_fault(action[1:]).name)
        elif action != "clear":
            on.append(parse_fault(action))
    if not actions:
        raise ValueError("nothing happens then; write a fault, -fault, clear or repeat after it")
    return Step(earliest, latest, " ".join(actions), "clear" in actions, tuple(on), tuple(off))
