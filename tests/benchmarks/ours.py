"""How a breaker of ours takes part: all metrics live, exported and scraped."""

from __future__ import annotations

from itertools import count

from prometheus_client import CollectorRegistry, generate_latest

from fuseboard import CircuitBreaker, CircuitOpenError, ConsecutiveFailures, Registry, __version__
from fuseboard.collector import BreakerCollector
from tests.benchmarks.contestant import STAYS_OPEN, Contestant, Function

OURS = "fuseboard"
"""The row that the ratios are of."""
WITHOUT_DURATIONS = "fuseboard, no durations"


def our_contestants() -> list[Contestant]:
    """Make the row of the breaker as it is by default, and one without its histogram."""
    return [_contestant(OURS, durations=True), _contestant(WITHOUT_DURATIONS, durations=False)]


def _contestant(name: str, *, durations: bool) -> Contestant:
    breakers = Registry()
    exported = CollectorRegistry()
    exported.register(BreakerCollector(breakers))
    numbers = count(1)

    def guard(function: Function, trips_after: int) -> Function:
        trip = ConsecutiveFailures(trips_after)
        label = f"{name} {next(numbers)}"
        if durations:
            breaker = CircuitBreaker(label, trip=trip, recovery_timeout=STAYS_OPEN)
        else:
            breaker = CircuitBreaker(
                label, trip=trip, recovery_timeout=STAYS_OPEN, duration_buckets=()
            )
        breakers.add(breaker)
        guarded: Function = breaker.guard(function)
        return guarded

    return Contestant(
        name,
        guard,
        CircuitOpenError,
        thread_safe=True,
        version=__version__,
        between_rounds=lambda: generate_latest(exported),
    )
