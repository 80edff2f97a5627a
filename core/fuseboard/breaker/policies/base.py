"""When a closed breaker opens.

A `TripPolicy` is a setting: it can be shared, compared and printed. What it
has counted lives in a `Meter`, of which each breaker has its own. Policies
combine: `a | b` trips when either would, `a & b` when both would.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf

from fuseboard.breaker.counters import Counters


@dataclass(frozen=True, slots=True)
class Gauge:
    """How far something has come towards tripping the breaker."""

    name: str
    """What is measured: `consecutive failures`."""
    value: float
    limit: float
    """The value at which the policy trips."""
    ratio: bool = False
    """Whether both are shares of a whole, 0-1."""


@dataclass(frozen=True, slots=True)
class Trip:
    """A meter's finding that the breaker should open."""

    reason: str
    """Why, in words."""
    failures: int
    """How many of the latest failures led to it."""


class Meter(ABC):
    """What a policy has counted for one breaker; the breaker calls it under its own lock.

    Every `now` is on the breaker's clock.
    """

    __slots__ = ()

    counts_calls: bool
    """Whether it wants to be told of every call that ends, which costs good calls a little."""
    watches_calls: bool = False
    """Whether it wants to be told of every call that begins, too, which costs a little more."""

    @abstractmethod
    def count(self, now: float, started: float, *, failed: bool, first_item: float | None) -> None:
        """Count a call that began at `started` and ended at `now`, if it counts calls.

        `first_item` is how many seconds it took to the first item of what the
        call streamed, `None` if it streamed nothing.
        """

    @abstractmethod
    def trip(self, now: float) -> Trip | None:
        """Say why the breaker should open now, or `None` while it should not."""

    @abstractmethod
    def gauges(self, now: float) -> tuple[Gauge, ...]:
        """Show how far it has come."""

    @abstractmethod
    def clear(self) -> None:
        """Forget everything counted so far."""

    # Only what watches calls does anything here.

    def begin(self, started: float) -> None:  # noqa: B027
        """Watch a call that begins."""

    def first_item(self, started: float) -> None:  # noqa: B027
        """Take note that the first item of what a watched call streams has come."""

    def let_go(self, now: float, started: float, first_item: float | None) -> None:  # noqa: B027
        """Watch a call no longer that ends without being counted."""

    def due(self) -> float:
        """Say when the time that calls have been under way changes something; `inf` if never."""
        return inf

    def lapse(self, now: float) -> None:  # noqa: B027
        """Let that time act."""


class TripPolicy(ABC):
    """Decides when a closed breaker opens."""

    __slots__ = ()

    @abstractmethod
    def meter(self, series: Counters) -> Meter:
        """Make the meter that the breaker of these series counts with."""

    def __or__(self, other: TripPolicy) -> TripPolicy:
        if not isinstance(other, TripPolicy):
            return NotImplemented
        return AnyOf((*_parts_of(self, AnyOf), *_parts_of(other, AnyOf)))

    def __and__(self, other: TripPolicy) -> TripPolicy:
        if not isinstance(other, TripPolicy):
            return NotImplemented
        return AllOf((*_parts_of(self, AllOf), *_parts_of(other, AllOf)))


@dataclass(frozen=True, slots=True)
class AnyOf(TripPolicy):
    """Trips when one of its policies would; made by `|`."""

    policies: tuple[TripPolicy, ...]

    def meter(self, series: Counters) -> Meter:
        """Make the meter that the breaker of these series counts with."""
        return _CombinedMeter(self.policies, series, any)


@dataclass(frozen=True, slots=True)
class AllOf(TripPolicy):
    """Trips when all of its policies would at the same moment; made by `&`."""

    policies: tuple[TripPolicy, ...]

    def meter(self, series: Counters) -> Meter:
        """Make the meter that the breaker of these series counts with."""
        return _CombinedMeter(self.policies, series, all)


def _parts_of(policy: TripPolicy, kind: type[AnyOf | AllOf]) -> tuple[TripPolicy, ...]:
    return policy.policies if isinstance(policy, kind) else (policy,)


class _CombinedMeter(Meter):
    __slots__ = ("_enough", "_meters", "counts_calls", "watches_calls")

    def __init__(
        self,
        policies: tuple[TripPolicy, ...],
        series: Counters,
        enough: Callable[[Iterable[bool]], bool],
    ) -> None:
        self._meters = tuple(policy.meter(series) for policy in policies)
        self._enough = enough
        self.counts_calls = any(meter.counts_calls for meter in self._meters)
        self.watches_calls = any(meter.watches_calls for meter in self._meters)

    def count(self, now: float, started: float, *, failed: bool, first_item: float | None) -> None:
        for meter in self._meters:
            meter.count(now, started, failed=failed, first_item=first_item)

    def trip(self, now: float) -> Trip | None:
        trips = [meter.trip(now) for meter in self._meters]
        if not self._enough(trip is not None for trip in trips):
            return None
        found = [trip for trip in trips if trip is not None]
        return Trip(
            " and ".join(trip.reason for trip in found), max(trip.failures for trip in found)
        )

    def gauges(self, now: float) -> tuple[Gauge, ...]:
        return tuple(gauge for meter in self._meters for gauge in meter.gauges(now))

    def clear(self) -> None:
        for meter in self._meters:
            meter.clear()

    def begin(self, started: float) -> None:
        for meter in self._meters:
            meter.begin(started)

    def first_item(self, started: float) -> None:
        for meter in self._meters:
            meter.first_item(started)

    def let_go(self, now: float, started: float, first_item: float | None) -> None:
        for meter in self._meters:
            meter.let_go(now, started, first_item)

    def due(self) -> float:
        return min(meter.due() for meter in self._meters)

    def lapse(self, now: float) -> None:
        for meter in self._meters:
            meter.lapse(now)
