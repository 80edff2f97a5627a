"""Windows over the latest calls: how many there were, and how many were hits.

A `Window` is a setting; a `WindowCount` is what was counted in one. Counting
is O(1) and takes the same memory whatever the traffic is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from fuseboard.breaker.validation import MOST_COUNTED, require_count, require_seconds

_STEPS = 20


class WindowCount(ABC):
    """Counts calls while they are in the window; whoever uses it brings the lock."""

    __slots__ = ("hits", "total")

    def __init__(self) -> None:
        self.total = 0
        self.hits = 0

    @abstractmethod
    def add(self, now: float, *, hit: bool) -> None:
        """Count a call that ended at `now`."""

    @abstractmethod
    def slide(self, now: float) -> None:
        """Let go of what is too old at `now`."""

    @abstractmethod
    def clear(self) -> None:
        """Forget everything."""


class Window(ABC):
    """Says which of the latest calls count."""

    __slots__ = ()

    @abstractmethod
    def count(self) -> WindowCount:
        """Make an empty count over such a window."""


@dataclass(frozen=True, slots=True)
class CountWindow(Window):
    """The latest `calls` calls.

    Raises `TypeError` or `ValueError` unless that is a number from 1 to 10 million.
    """

    calls: int

    def __post_init__(self) -> None:
        require_count("a count window", self.calls)
        if self.calls > MOST_COUNTED:
            raise ValueError(f"a count window holds at most {MOST_COUNTED:,}, not {self.calls:,}")

    def __str__(self) -> str:
        return f"the last {self.calls} calls"

    def count(self) -> WindowCount:
        """Make an empty count over such a window."""
        return _LatestCalls(self.calls)


@dataclass(frozen=True, slots=True)
class TimeWindow(Window):
    """The calls that ended in the latest `seconds`.

    It slides in twenty steps: a call is let go when it is between 95 and 100 %
    of `seconds` old. Raises `TypeError` or `ValueError` unless that is a time
    from a nanosecond to 30 years.
    """

    seconds: float

    def __post_init__(self) -> None:
        require_seconds("a time window", self.seconds)

    def __str__(self) -> str:
        return f"the last {self.seconds:g} s"

    def count(self) -> WindowCount:
        """Make an empty count over such a window."""
        return _LatestSeconds(self.seconds)


class _LatestCalls(WindowCount):
    __slots__ = ("_next", "_ring")

    def __init__(self, calls: int) -> None:
        super().__init__()
        self._ring = bytearray(calls)
        self._next = 0

    def add(self, now: float, *, hit: bool) -> None:  # noqa: ARG002 (time is no matter here)
        ring = self._ring
        if self.total == len(ring):
            self.hits -= ring[self._next]
        else:
            self.total += 1
        ring[self._next] = hit
        self.hits += hit
        self._next = (self._next + 1) % len(ring)

    def slide(self, now: float) -> None:
        """Do nothing: only calls push calls out."""

    def clear(self) -> None:
        self.total = self.hits = self._next = 0


class _LatestSeconds(WindowCount):
    __slots__ = ("_hits", "_step", "_totals", "_width")

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._width = seconds / _STEPS
        self._totals = [0] * _STEPS
        self._hits = [0] * _STEPS
        self._step = 0  # which step of time, since the clock's zero, was the latest seen

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
