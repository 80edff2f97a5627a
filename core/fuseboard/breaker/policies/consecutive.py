"""The trip policy that counts failures in a row."""

from __future__ import annotations

from dataclasses import dataclass

from fuseboard.breaker.counters import Counters
from fuseboard.breaker.policies.base import Gauge, Meter, Trip, TripPolicy
from fuseboard.breaker.validation import require_count


@dataclass(frozen=True, slots=True)
class ConsecutiveFailures(TripPolicy):
    """Trips after `threshold` failures without a success between them.

    Raises `TypeError` or `ValueError` if `threshold` is no whole number or less than 1.
    """

    threshold: int

    def __post_init__(self) -> None:
        require_count("threshold", self.threshold)

    def meter(self, series: Counters) -> Meter:
        """Make the meter that the breaker of these series counts with."""
        return _ConsecutiveFailuresMeter(self.threshold, series)


class _ConsecutiveFailuresMeter(Meter):
    """Reads what the breaker counts in any case."""

    __slots__ = ("_series", "_threshold")

    counts_calls = False

    def __init__(self, threshold: int, series: Counters) -> None:
        self._threshold = threshold
        self._series = series

    def count(self, now: float, started: float, *, failed: bool, first_item: float | None) -> None:
        """Do nothing: it counts no calls."""

    def trip(self, now: float) -> Trip | None:  # noqa: ARG002 (time is no matter here)
        count = self._series.consecutive_failures
        if count < self._threshold:
            return None
        reason = "1 failure" if count == 1 else f"{count} consecutive failures"
        return Trip(reason, count)

    def gauges(self, now: float) -> tuple[Gauge, ...]:  # noqa: ARG002
        count = self._series.consecutive_failures
        return (Gauge("consecutive failures", count, self._threshold),)

    def clear(self) -> None:
        """Do nothing: the breaker sets its count back itself."""
