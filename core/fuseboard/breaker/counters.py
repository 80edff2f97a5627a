"""The plain numbers that a breaker counts with.

The breaker changes them under its lock; the screen and `/metrics` copy them.
There is no second set of numbers that could disagree.

Two things happen without the lock, because a lock costs more than all else
that a good call needs: an admission takes the next ticket, and a success that
changes nothing leaves its duration behind. Both are single steps of the
interpreter, so that none is ever lost. `fold()` counts what was left behind.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, count

from fuseboard.breaker.outcome import Verdict
from fuseboard.breaker.state import State

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

    def take(self, durations: list[float]) -> int:
        """Count all durations of a list and take them out; returns how many there were."""
        # Others may append meanwhile, but only at the end.
        taken = durations[:]
        del durations[: len(taken)]
        self._sum += sum(taken)
        taken.sort()
        below = 0
        for place, bound in enumerate(self._bounds):
            if below == len(taken):
                break
            up_to = bisect_right(taken, bound, below)
            self._counts[place] += up_to - below
            below = up_to
        self._counts[-1] += len(taken) - below
        return len(taken)

    def copy(self) -> Durations:
        """Copy it out, with the cumulative counts that Prometheus uses."""
        cumulative = tuple(accumulate(self._counts))
        return Durations(
            buckets=tuple(zip(self._bounds, cumulative, strict=False)),
            count=cumulative[-1],
            sum=self._sum,
        )


BETWEEN_FOLDS = 0xFF
"""The bits of a ticket that are all zero when it is time to fold: once in 256 admissions."""


class Counters:
    """Everything that is counted about one breaker; whoever uses it brings the lock."""

    __slots__ = (
        "_looks",
        "changed_at",
        "consecutive_failures",
        "failed_after",
        "failure",
        "failure_durations",
        "ignored",
        "ignored_after",
        "ignored_durations",
        "late",
        "next_ticket",
        "rejected",
        "state_seconds",
        "succeeded_after",
        "success",
        "success_durations",
        "transitions",
        "unsent",
        "withdrawn",
    )

    def __init__(
        self, changed_at: float, duration_buckets: Sequence[float] = DURATION_BUCKETS
    ) -> None:
        self.next_ticket = count(1).__next__
        """Count an admission; needs no lock. Returns how many there were."""
        self.succeeded_after: list[float] = []
        """Seconds that calls took which are not counted yet; appending needs no lock."""
        self.failed_after: list[float] = []
        self.ignored_after: list[float] = []
        self.success = 0
        self.failure = 0
        self.rejected = 0
        self.ignored = 0
        self.unsent = 0
        self.late = 0
        self.withdrawn = 0
        self.consecutive_failures = 0
        self.changed_at = changed_at
        self.transitions = dict.fromkeys(LEGAL_TRANSITIONS, 0)
        self.state_seconds = dict.fromkeys(State, 0.0)
        self.success_durations = DurationHistogram(duration_buckets)
        self.failure_durations = DurationHistogram(duration_buckets)
        self.ignored_durations = DurationHistogram(duration_buckets)
        self._looks = 0

    def fold(self) -> None:
        """Count the calls that have left their durations behind."""
        self.success += self.success_durations.take(self.succeeded_after)
        self.failure += self.failure_durations.take(self.failed_after)
        self.ignored += self.ignored_durations.take(self.ignored_after)

    def calls(self) -> CallCounts:
        """Copy the call counters."""
        return CallCounts(self.success, self.failure, self.rejected, self.ignored)

    def in_flight(self) -> int:
        """Count the calls that were admitted and have not ended; folds, too.

        All figures that are read before anything else is folded belong to the
        one moment at which these were counted.
        """
        while True:
            self.fold()
            self._looks += 1  # reading the counter of tickets takes a ticket
            admitted = self.next_ticket() - self._looks
            if not self.succeeded_after:  # else a call has ended meanwhile
                return admitted - self.withdrawn - self.success - self.failure - self.ignored

    def durations(self) -> dict[Verdict, Durations]:
        """Copy the histograms of the calls' durations."""
        return {
            Verdict.SUCCESS: self.success_durations.copy(),
            Verdict.FAILURE: self.failure_durations.copy(),
            Verdict.IGNORED: self.ignored_durations.copy(),
        }
