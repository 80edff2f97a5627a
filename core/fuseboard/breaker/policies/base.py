"""Trip policies: when a closed breaker opens.

A `TripPolicy` is a setting: an immutable value that breakers may share. Each
breaker counts in a `Meter` of its own. Policies combine: `a | b` trips when
either would, `a & b` when both would.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf

from fuseboard.breaker.counters import Counters


@dataclass(frozen=True, slots=True)
class Gauge:
    """A measured value and the limit at which it trips the breaker."""

    name: str
    """What is measured: `consecutive failures`."""
    value: float
    limit: float
    """The value from which on the policy trips."""
    ratio: bool = False
    """Whether value and limit are ratios, 0-1."""


@dataclass(frozen=True, slots=True)
class Trip:
    """A meter's finding that the breaker should open."""

    reason: str
    """Why, as a text for people."""
    failures: int
    """How many of the latest failures caused it."""


class Meter(ABC):
    """The counts of a policy for one breaker.

    The breaker calls every method under its lock, so a meter takes none.
    `now` and `started` are seconds on the breaker's clock.
    """

    __slots__ = ()

    counts_calls: bool
    """Whether `count()` must be called for each call that ends; that slows successes a little."""
    tracks_in_flight: bool = False
    """Whether `begin()` and the methods below it must be called, too; that costs a little more."""

    @abstractmethod
    def count(self, now: float, started: float, *, failed: bool, first_item: float | None) -> None:
        """Count a call that was admitted at `started` and ended at `now`.

        `first_item` is the number of seconds to the first item of the call's
        stream, `None` if it streamed nothing.
        """

    @abstractmethod
    def trip(self, now: float) -> Trip | None:
        """Return why the breaker should open now; `None` if it should not."""

    @abstractmethod
    def gauges(self, now: float) -> tuple[Gauge, ...]:
        """Return the measured values and their limits."""

    @abstractmethod
    def clear(self) -> None:
        """Discard everything counted so far."""

    # Called only if `tracks_in_flight`.

    def begin(self, started: float) -> None:  # noqa: B027
        """Start tracking a call."""

    def first_item(self, started: float) -> None:  # noqa: B027
        """Record the first item of a tracked call's stream."""

    def discard(self, now: float, started: float, first_item: float | None) -> None:  # noqa: B027
        """Stop tracking a call that ends without being counted."""

    def forget_calls_in_flight(self) -> None:  # noqa: B027
        """Stop tracking all calls: they go on in the process that this one was forked from."""

    def next_deadline(self) -> float:
        """Return when `expire()` must be called next; `inf` for never."""
        return inf

    def expire(self, now: float) -> None:  # noqa: B027
        """Count the tracked calls whose deadline has passed."""


class TripPolicy(ABC):
    """A rule for when a closed breaker opens.

    A subclass that is a dataclass is compared by its fields, and its numbers
    can be changed while the breaker runs (see `tunables`).
    """

    __slots__ = ()

    @abstractmethod
    def meter(self, counters: Counters) -> Meter:
        """Return a new meter for the breaker that has these counters."""

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
    """Trip when one of its policies would; made by `|`."""

    policies: tuple[TripPolicy, ...]

    def meter(self, counters: Counters) -> Meter:
        """Return a new meter for the breaker that has these counters."""
        return self.combine([policy.meter(counters) for policy in self.policies])

    def combine(self, meters: Iterable[Meter]) -> Meter:
        """Return the meter over one meter of each policy."""
        return _CombinedMeter(tuple(meters), any)


@dataclass(frozen=True, slots=True)
class AllOf(TripPolicy):
    """Trip when all of its policies would at the same moment; made by `&`."""

    policies: tuple[TripPolicy, ...]

    def meter(self, counters: Counters) -> Meter:
        """Return a new meter for the breaker that has these counters."""
        return self.combine([policy.meter(counters) for policy in self.policies])

    def combine(self, meters: Iterable[Meter]) -> Meter:
        """Return the meter over one meter of each policy."""
        return _CombinedMeter(tuple(meters), all)


def _parts_of(policy: TripPolicy, kind: type[AnyOf | AllOf]) -> tuple[TripPolicy, ...]:
    return policy.policies if isinstance(policy, kind) else (policy,)


class _CombinedMeter(Meter):
    __slots__ = ("_enough", "_meters", "counts_calls", "tracks_in_flight")

    def __init__(self, meters: tuple[Meter, ...], enough: Callable[[Iterable[bool]], bool]) -> None:
        self._meters = meters
        self._enough = enough
        self.counts_calls = any(meter.counts_calls for meter in self._meters)
        self.tracks_in_flight = any(meter.tracks_in_flight for meter in self._meters)

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

    def discard(self, now: float, started: float, first_item: float | None) -> None:
        for meter in self._meters:
            meter.discard(now, started, first_item)

    def forget_calls_in_flight(self) -> None:
        for meter in self._meters:
            meter.forget_calls_in_flight()

    def next_deadline(self) -> float:
        return min(meter.next_deadline() for meter in self._meters)

    def expire(self, now: float) -> None:
        for meter in self._meters:
            meter.expire(now)
