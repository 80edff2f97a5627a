"""fuseboard's contestant: its metrics are counted, exported and scraped."""

from __future__ import annotations

from itertools import count

from prometheus_client import CollectorRegistry, generate_latest

from fuseboard import CircuitOpenError, ConsecutiveFailures, Registry, __version__
from fuseboard.metrics.collector import BreakerCollector
from tests.benchmarks.contestant import STAYS_OPEN, Contestant, Function

OURS = "fuseboard"
"""The name of the row that the ratios refer to."""


def our_contestant() -> Contestant:
    """Return the contestant with default settings."""
    breakers = Registry()
    exported = CollectorRegistry()
    exported.register(BreakerCollector(breakers))
    numbers = count(1)

    def guard(function: Function, trips_after: int) -> Function:
        breaker = breakers.breaker(
            f"{OURS} {next(numbers)}",
            trip=ConsecutiveFailures(trips_after),
            recovery_timeout=STAYS_OPEN,
        )
        guarded: Function = breaker.guard(function)
        return guarded

    return Contestant(
        OURS,
        guard,
        CircuitOpenError,
        thread_safe=True,
        version=__version__,
        between_rounds=lambda: generate_latest(exported),
    )
