"""Isolation of a user's own trip policy: what it raises reaches no call."""

from __future__ import annotations

import logging
from collections.abc import Callable
from math import inf
from typing import TypeVar

from fuseboard.breaker.counters import Counters
from fuseboard.breaker.policies.base import AllOf, AnyOf, Gauge, Meter, Trip, TripPolicy

Result = TypeVar("Result")

_OURS = __name__.rpartition(".")[0]
_logger = logging.getLogger(__name__)


def isolated_meter(policy: TripPolicy, counters: Counters) -> Meter:
    """Return a new meter of a policy; one of the user's own is isolated."""
    if isinstance(policy, AnyOf | AllOf):
        return policy.combine(isolated_meter(part, counters) for part in policy.policies)
    meter = policy.meter(counters)
    if not isinstance(meter, Meter):
        raise TypeError(f"meter() of {policy!r} returned no Meter, but {meter!r}")
    if type(meter).__module__.rpartition(".")[0] == _OURS:
        return meter
    return _IsolatedMeter(meter, policy)


class _IsolatedMeter(Meter):
    """A meter whose errors are logged, each kind once, and have no other effect."""

    __slots__ = ("_logged", "_meter", "_overdue", "_policy", "counts_calls", "tracks_in_flight")

    def __init__(self, meter: Meter, policy: TripPolicy) -> None:
        self._meter = meter
        self._policy = policy
        self._logged: set[tuple[str, type[Exception]]] = set()
        self._overdue = False
        self.counts_calls = meter.counts_calls
        self.tracks_in_flight = meter.tracks_in_flight

    def count(self, now: float, started: float, *, failed: bool, first_item: float | None) -> None:
        self._try(
            lambda: self._meter.count(now, started, failed=failed, first_item=first_item),
            None,
            "count",
        )

    def trip(self, now: float) -> Trip | None:
        return self._try(lambda: _checked_trip(self._meter.trip(now)), None, "trip")

    def gauges(self, now: float) -> tuple[Gauge, ...]:
        return self._try(lambda: _checked_gauges(self._meter.gauges(now)), (), "gauges")

    def clear(self) -> None:
        self._try(self._meter.clear, None, "clear")

    def begin(self, started: float) -> None:
        self._try(lambda: self._meter.begin(started), None, "begin")

    def first_item(self, started: float) -> None:
        self._try(lambda: self._meter.first_item(started), None, "first_item")

    def discard(self, now: float, started: float, first_item: float | None) -> None:
        self._try(lambda: self._meter.discard(now, started, first_item), None, "discard")

    def forget_calls_in_flight(self) -> None:
        self._try(self._meter.forget_calls_in_flight, None, "forget_calls_in_flight")

    def next_deadline(self) -> float:
        if self._overdue:
            return inf
        return self._try(lambda: float(self._meter.next_deadline()), inf, "next_deadline")

    def expire(self, now: float) -> None:
        self._try(lambda: self._meter.expire(now), None, "expire")
        if self.next_deadline() <= now:  # it would be called for ever
            self._overdue = True
            _logger.error(
                "expire() of the trip policy %r leaves its deadline as it is", self._policy
            )

    def _try(self, method: Callable[[], Result], otherwise: Result, name: str) -> Result:
        try:
            return method()
        except Exception as error:
            if (name, type(error)) not in self._logged:
                self._logged.add((name, type(error)))
                _logger.exception("%s() of the trip policy %r failed", name, self._policy)
            return otherwise


def _checked_trip(trip: Trip | None) -> Trip | None:
    if not isinstance(trip, Trip | None):
        raise TypeError(f"trip() must return a Trip or None, not {trip!r}")
    return trip


def _checked_gauges(gauges: tuple[Gauge, ...]) -> tuple[Gauge, ...]:
    gauges = tuple(gauges)
    for gauge in gauges:
        if not isinstance(gauge, Gauge):
            raise TypeError(f"gauges() must return Gauges, not {gauge!r}")
    return gauges
