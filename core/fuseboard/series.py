"""The plain numbers that a breaker counts with.

The breaker changes them under the lock that it holds anyway; the screen and
`/metrics` copy them. There is no second set of numbers that could disagree.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from fuseboard.state import State
from fuseboard.verdict import Verdict

DURATION_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Upper bounds of the duration histogram, seconds: from an embedding to a long answer."""

LEGAL_TRANSITIONS = (
    (State.CLOSED, State.OPEN),
    (State.OPEN, State.HALF_OPEN),
    (State.OPEN, State.CLOSED),
    (State.HALF_OPEN, State.OPEN),
    (State.HALF_OPEN, State.CLOSED),
)
"""Every step a breaker can take; each has its counter from the start."""


@dataclass(frozen=True, slots=True)
class CallCounts:
    """How many calls ended how."""

    success: int = 0
    failure: int = 0
    rejected: int = 0
    ignored: int = 0

    @property
    def total(self) -> int:
        """All calls that were asked for, rejected ones included."""
        return self.success + self.failure + self.rejected + self.ignored


@dataclass(frozen=True, slots=True)
class Durations:
    """A histogram of call durations, as a scrape wants it."""

    buckets: tuple[tuple[float, int], ...]
    """Upper bound in seconds, and how many calls took at most that; without the last, `+Inf`."""
    count: int
    sum: float
    """Seconds spent in all of them together."""


class DurationHistogram:
    """Counts durations in buckets; whoever uses it brings the lock."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float] = DURATION_BUCKETS) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one call that took `seconds`."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def copy(self) -> Durations:
        """Copy it out, with the cumulative counts that Prometheus uses."""
        cumulative = tuple(accumulate(self._counts))
        return Durations(
            buckets=tuple(zip(self._bounds, cumulative, strict=False)),
            count=cumulative[-1],
            sum=self._sum,
        )


class Series:
    """Everything that is counted about one breaker; whoever uses it brings the lock."""

    __slots__ = (
        "changed_at",
        "consecutive_failures",
        "failure",
        "failure_durations",
        "ignored",
        "ignored_durations",
        "in_flight",
        "late",
        "rejected",
        "state_seconds",
        "success",
        "success_durations",
        "transitions",
    )

    def __init__(self, changed_at: float) -> None:
        self.success = 0
        self.failure = 0
        self.rejected = 0
        self.ignored = 0
        self.late = 0
        self.in_flight = 0
        self.consecutive_failures = 0
        self.changed_at = changed_at
        self.transitions = dict.fromkeys(LEGAL_TRANSITIONS, 0)
        self.state_seconds = dict.fromkeys(State, 0.0)
        self.success_durations = DurationHistogram()
        self.failure_durations = DurationHistogram()
        self.ignored_durations = DurationHistogram()

    def calls(self) -> CallCounts:
        """Copy the call counters."""
        return CallCounts(self.success, self.failure, self.rejected, self.ignored)

    def durations(self) -> dict[Verdict, Durations]:
        """Copy the histograms of the calls' durations."""
        return {
            Verdict.SUCCESS: self.success_durations.copy(),
            Verdict.FAILURE: self.failure_durations.copy(),
            Verdict.IGNORED: self.ignored_durations.copy(),
        }
