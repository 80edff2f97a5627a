"""The plain numbers that a breaker counts with.

The breaker changes them under its lock; the screen and `/metrics` read copies.
There is no second set of numbers that could disagree.

Two things happen without the lock, because a lock costs more than the rest of
the call: a success that changes no state appends its duration to a list, and
a rejection takes the next number of a counter. Each is a single atomic step of
the interpreter, so that none is ever lost. To *fold* is to move the appended
durations into the counters and histograms, under the lock.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from fuseboard.breaker.outcome import Verdict
from fuseboard.breaker.state import State

DURATION_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Default upper bounds of the duration histogram, seconds: from an embedding to a long text."""

LEGAL_TRANSITIONS = (
    (State.CLOSED, State.OPEN),
    (State.OPEN, State.HALF_OPEN),
    (State.OPEN, State.CLOSED),
    (State.HALF_OPEN, State.OPEN),
    (State.HALF_OPEN, State.CLOSED),
)
"""Every transition a breaker can make; each has its counter from the start."""


@dataclass(frozen=True, slots=True)
class CallCounts:
    """The number of calls by outcome."""

    success: int = 0
    failure: int = 0
    rejected: int = 0
    ignored: int = 0

    @property
    def total(self) -> int:
        """All calls, rejected ones included."""
        return self.success + self.failure + self.rejected + self.ignored


@dataclass(frozen=True, slots=True)
class Durations:
    """A histogram of call durations, in the form that Prometheus exports."""

    buckets: tuple[tuple[float, int], ...]
    """Pairs of upper bound (seconds) and number of calls at most that long, without `+Inf`."""
    count: int
    sum: float
    """The total duration of all calls, seconds."""


class DurationHistogram:
    """A count of durations by bucket. Not thread-safe: the caller holds a lock."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float] = DURATION_BUCKETS) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def take(self, durations: list[float]) -> int:
        """Count all durations of a list and remove them from it; return how many there were."""
        # Other threads may append meanwhile, but only at the end.
        taken = durations[:]
        del durations[: len(taken)]
        self._sum += sum(taken)
        if not taken:
            return 0
        if self._bounds and max(taken) <= self._bounds[0]:  # so it mostly is with quick calls
            self._counts[0] += len(taken)
            return len(taken)
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
        """Return a copy with cumulative counts, as Prometheus uses them."""
        cumulative = tuple(itertools.accumulate(self._counts))
        return Durations(
            buckets=tuple(zip(self._bounds, cumulative, strict=False)),
            count=cumulative[-1],
            sum=self._sum,
        )


MOST_PENDING = 1023
"""How many durations may wait in a list before it is time to fold."""


class AtomicCounter:
    """A counter that counts and is read without a lock."""

    __slots__ = ("_numbers", "count")

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self.count = self._numbers.__next__
        """Count one."""

    def value(self) -> int:
        """Return how many were counted."""
        return int(repr(self._numbers)[len("count(") : -1])  # else reading would count, too


class Counters:
    """Everything that is counted about one breaker. The caller holds the breaker's lock."""

    __slots__ = (
        "_folded_awaits",
        "_rejections",
        "changed_at",
        "consecutive_failures",
        "count_rejection",
        "failure",
        "failure_durations",
        "ignored",
        "ignored_durations",
        "late",
        "pending_awaits",
        "pending_failures",
        "pending_ignored",
        "pending_successes",
        "state_seconds",
        "success",
        "success_durations",
        "transitions",
        "unsent",
    )

    def __init__(
        self, changed_at: float, duration_buckets: Sequence[float] = DURATION_BUCKETS
    ) -> None:
        self.pending_successes: list[float] = []
        """Durations in seconds of successes that are not folded yet; appending needs no lock."""
        self.pending_awaits: list[float] = []
        """The same of successful coroutines, by which it is known how many have ended."""
        self.pending_failures: list[float] = []
        self.pending_ignored: list[float] = []
        self.success = 0
        self.failure = 0
        self.ignored = 0
        self.unsent = 0
        self.late = 0
        self.consecutive_failures = 0
        self.changed_at = changed_at
        self.transitions = dict.fromkeys(LEGAL_TRANSITIONS, 0)
        self.state_seconds = dict.fromkeys(State, 0.0)
        self.success_durations = DurationHistogram(duration_buckets)
        self.failure_durations = DurationHistogram(duration_buckets)
        self.ignored_durations = DurationHistogram(duration_buckets)
        self._folded_awaits = 0
        self._rejections = AtomicCounter()
        self.count_rejection = self._rejections.count
        """Count a rejection; needs no lock."""

    def fold(self) -> None:
        """Count the calls whose durations are pending."""
        # Taken first: what `+=` has read must still hold when it writes.
        succeeded = self.success_durations.take(self.pending_successes)
        awaited = self.success_durations.take(self.pending_awaits)
        failed = self.failure_durations.take(self.pending_failures)
        ignored = self.ignored_durations.take(self.pending_ignored)
        self.success += succeeded + awaited
        self._folded_awaits += awaited
        self.failure += failed
        self.ignored += ignored

    def successful_awaits(self) -> int:
        """Return how many coroutines succeeded without the lock."""
        return self._folded_awaits + len(self.pending_awaits)

    def calls(self) -> CallCounts:
        """Return a copy of the call counters."""
        return CallCounts(self.success, self.failure, self._rejections.value(), self.ignored)

    def durations(self) -> dict[Verdict, Durations]:
        """Return a copy of the duration histograms by verdict."""
        return {
            Verdict.SUCCESS: self.success_durations.copy(),
            Verdict.FAILURE: self.failure_durations.copy(),
            Verdict.IGNORED: self.ignored_durations.copy(),
        }
