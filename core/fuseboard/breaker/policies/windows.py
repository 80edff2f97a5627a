"""Windows over the latest calls: how many calls there were, and how many were hits.

A `Window` is a setting, a `WindowCount` the counts within one. Counting a call
takes O(1) time; the memory does not depend on the traffic.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from fuseboard.breaker.validation import NumberKind, check_numbers, number

_STEPS = 20


class WindowCount(ABC):
    """The calls in a window, and the hits among them. Not thread-safe: the caller holds a lock."""

    __slots__ = ("hits", "total")

    def __init__(self) -> None:
        self.total = 0
        self.hits = 0

    @abstractmethod
    def add(self, now: float, *, hit: bool) -> None:
        """Count a call that ended at `now`."""

    @abstractmethod
    def slide(self, now: float) -> None:
        """Remove the calls that have left the window by `now`."""

    @abstractmethod
    def clear(self) -> None:
        """Remove all calls."""


class Window(ABC):
    """A setting for which of the latest calls count."""

    __slots__ = ()

    @abstractmethod
    def count(self) -> WindowCount:
        """Return an empty count over such a window."""

    def describe(self, total: int) -> str:  # noqa: ARG002 (some windows need not be full)
        """Return what such a window holds, as text, while there are `total` calls in it."""
        return str(self)


@dataclass(frozen=True, slots=True)
class CountWindow(Window):
    """The latest `calls` calls.

    Raises:
        TypeError, ValueError: If `calls` is no whole number from 1 to 10 million.
    """

    calls: int = field(
        metadata=number(NumberKind.CALLS, "latest calls that it looks at", label="a count window")
    )

    def __post_init__(self) -> None:
        check_numbers(self)

    def __str__(self) -> str:
        return self.describe(self.calls)

    def describe(self, total: int) -> str:
        """Return which calls there are, and not how many there may be."""
        return "the last call" if total == 1 else f"the last {total} calls"

    def count(self) -> WindowCount:
        """Return an empty count over such a window."""
        return _LatestCalls(self.calls)


@dataclass(frozen=True, slots=True)
class TimeWindow(Window):
    """The calls that ended in the latest `seconds`.

    It slides in twenty steps: a call leaves the window when it is between 95
    and 100 % of `seconds` old.

    Raises:
        TypeError, ValueError: If `seconds` is no time from a nanosecond to 30 years.
    """

    seconds: float = field(
        metadata=number(
            NumberKind.SECONDS, "latest seconds that it looks at", label="a time window"
        )
    )

    def __post_init__(self) -> None:
        check_numbers(self)

    def __str__(self) -> str:
        return f"the last {self.seconds:g} s"

    def count(self) -> WindowCount:
        """Return an empty count over such a window."""
        return _LatestSeconds(self.seconds)


class _LatestCalls(WindowCount):
    __slots__ = ("_next", "_ring")

    def __init__(self, calls: int) -> None:
        super().__init__()
        self._ring = bytearray(calls)
        self._next = 0

    def add(self, now: float, *, hit: bool) -> None:  # noqa: ARG002 (time does not matter)
        ring = self._ring
        if self.total == len(ring):
            self.hits -= ring[self._next]
        else:
            self.total += 1
        ring[self._next] = hit
        self.hits += hit
        self._next = (self._next + 1) % len(ring)

    def slide(self, now: float) -> None:
        """Do nothing: only later calls remove a call."""

    def clear(self) -> None:
        self.total = self.hits = self._next = 0


class _LatestSeconds(WindowCount):
    __slots__ = ("_hits", "_step", "_totals", "_width")

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._width = seconds / _STEPS
        self._totals = [0] * _STEPS
        self._hits = [0] * _STEPS
        self._step = 0  # the latest step of time seen, counted from the clock's zero

    def add(self, now: float, *, hit: bool) -> None:
        self.slide(now)
        place = self._step % _STEPS
        self._totals[place] += 1
        self.total += 1
        if hit:
            self._hits[place] += 1
            self.hits += 1

    def slide(self, now: float) -> None:
        step = int(now // self._width)
        if step <= self._step:
            return
        for gone in range(self._step + 1, min(step, self._step + _STEPS) + 1):
            place = gone % _STEPS
            self.total -= self._totals[place]
            self.hits -= self._hits[place]
            self._totals[place] = self._hits[place] = 0
        self._step = step

    def clear(self) -> None:
        self._totals = [0] * _STEPS
        self._hits = [0] * _STEPS
        self.total = self.hits = 0
