"""When a closed breaker opens.

A `TripPolicy` is a setting: it can be shared, compared and printed. What it
has counted lives in a `Meter`, of which each breaker has its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass


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
    def meter(self) -> Meter:
        """Make the meter that one breaker counts with."""


@dataclass(frozen=True, slots=True)
class ConsecutiveFailures(TripPolicy):
    """Trips after `threshold` failures without a success between them.

    Raises `ValueError` if `threshold` is less than 1.
    """

    threshold: int

    def __post_init__(self) -> None:
        if self.threshold < 1:
            raise ValueError(f"threshold must be at least 1, not {self.threshold}")

    def meter(self) -> Meter:
        """Make the meter that one breaker counts with."""
        return _ConsecutiveFailuresMeter(self.threshold)


class _ConsecutiveFailuresMeter(Meter):
    __slots__ = ("_count", "_threshold")

    def __init__(self, threshold: int) -> None:
        self._threshold = threshold
        self._count = 0

    def success(self, seconds: float, now: float) -> None:  # noqa: ARG002
        self._count = 0

    def failure(self, seconds: float, now: float) -> None:  # noqa: ARG002
        self._count += 1

    def trip(self) -> Trip | None:
        if self._count < self._threshold:
            return None
        reason = "1 failure" if self._count == 1 else f"{self._count} consecutive failures"
        return Trip(reason, self._count)

    def gauges(self) -> tuple[Gauge, ...]:
        return (Gauge("consecutive failures", self._count, self._threshold),)

    def clear(self) -> None:
        self._count = 0
