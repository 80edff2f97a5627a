"""When a closed breaker opens.

A `TripPolicy` is a setting: it can be shared, compared and printed. What it
has counted lives in a `Meter`, of which each breaker has its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from fuseboard.series import Series


@dataclass(frozen=True, slots=True)
class Gauge:
    """How far something has come towards tripping the breaker."""

    name: str
    """What is measured: `consecutive failures`."""
    value: float
    limit: float
    """The value at which the policy trips."""


@dataclass(frozen=True, slots=True)
class Trip:
    """A meter's finding that the breaker should open."""

    reason: str
    """Why, in words."""
    failures: int
    """How many of the latest failures led to it."""


class Meter(ABC):
    """What a policy has counted for one breaker; the breaker calls it under its own lock."""

    __slots__ = ()

    counts_successes: ClassVar[bool]
    """Whether it wants to be told of successes; each telling costs every good call a little."""

    @abstractmethod
    def success(self, seconds: float, now: float) -> None:
        """Count a call that succeeded after `seconds`, at `now` on the breaker's clock."""

    @abstractmethod
    def failure(self, seconds: float, now: float) -> None:
        """Count a call that failed after `seconds`, at `now` on the breaker's clock."""

    @abstractmethod
    def trip(self) -> Trip | None:
        """Say why the breaker should open now, or `None` while it should not."""

    @abstractmethod
    def gauges(self) -> tuple[Gauge, ...]:
        """Show how far it has come."""

    @abstractmethod
    def clear(self) -> None:
        """Forget everything counted so far."""


class TripPolicy(ABC):
    """Decides when a closed breaker opens."""

    __slots__ = ()

    @abstractmethod
    def meter(self, series: Series) -> Meter:
        """Make the meter that the breaker of these series counts with."""


@dataclass(frozen=True, slots=True)
class ConsecutiveFailures(TripPolicy):
    """Trips after `threshold` failures without a success between them.

    Raises `ValueError` if `threshold` is less than 1.
    """

    threshold: int

    def __post_init__(self) -> None:
        if self.threshold < 1:
            raise ValueError(f"threshold must be at least 1, not {self.threshold}")

    def meter(self, series: Series) -> Meter:
        """Make the meter that the breaker of these series counts with."""
        return _ConsecutiveFailuresMeter(self.threshold, series)


class _ConsecutiveFailuresMeter(Meter):
    """Reads what the breaker counts in any case."""

    __slots__ = ("_series", "_threshold")

    counts_successes = False

    def __init__(self, threshold: int, series: Series) -> None:
        self._threshold = threshold
        self._series = series

    def success(self, seconds: float, now: float) -> None:
        """Do nothing: the breaker sets its count back itself."""

    def failure(self, seconds: float, now: float) -> None:
        """Do nothing: the breaker has counted it."""

    def trip(self) -> Trip | None:
        count = self._series.consecutive_failures
        if count < self._threshold:
            return None
        reason = "1 failure" if count == 1 else f"{count} consecutive failures"
        return Trip(reason, count)

    def gauges(self) -> tuple[Gauge, ...]:
        count = self._series.consecutive_failures
        return (Gauge("consecutive failures", count, self._threshold),)

    def clear(self) -> None:
        """Do nothing: the breaker sets its count back itself."""
