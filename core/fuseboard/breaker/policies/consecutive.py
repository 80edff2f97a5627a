"""The trip policy that counts consecutive failures."""

from __future__ import annotations

from dataclasses import dataclass, field

from fuseboard.breaker.counters import Counters
from fuseboard.breaker.policies.base import Gauge, Meter, Trip, TripPolicy
from fuseboard.breaker.validation import NumberKind, check_numbers, number


@dataclass(frozen=True, slots=True)
class ConsecutiveFailures(TripPolicy):
    """Trip after `threshold` failures without a success between them.

    Raises:
        TypeError, ValueError: If `threshold` is no whole number or less than 1.
    """

    threshold: int = field(metadata=number(NumberKind.COUNT, "failures in a row that open it"))

    def __post_init__(self) -> None:
        check_numbers(self)

    def meter(self, counters: Counters) -> Meter:
        """Return a new meter for the breaker that has these counters."""
        return _ConsecutiveFailuresMeter(self.threshold, counters)


class _ConsecutiveFailuresMeter(Meter):
    """A meter that reads the counter which every breaker has."""

    __slots__ = ("_counters", "_threshold")

    counts_calls = False

    def __init__(self, threshold: int, counters: Counters) -> None:
        self._threshold = threshold
        self._counters = counters

    def count(self, now: float, started: float, *, failed: bool, first_item: float | None) -> None:
        """Do nothing: the breaker counts consecutive failures itself."""

    def trip(self, now: float) -> Trip | None:  # noqa: ARG002 (time does not matter)
        count = self._counters.consecutive_failures
        if count < self._threshold:
            return None
        reason = "1 failure" if count == 1 else f"{count} consecutive failures"
        return Trip(reason, count)

    def gauges(self, now: float) -> tuple[Gauge, ...]:  # noqa: ARG002
        count = self._counters.consecutive_failures
        return (Gauge("consecutive failures", count, self._threshold),)

    def clear(self) -> None:
        """Do nothing: the breaker resets its counter itself."""
