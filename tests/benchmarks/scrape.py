"""The cost of a scrape, by the number of breakers.

`python -m tests.benchmarks.scrape` takes about ten seconds; `--quick` only shows that it runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from statistics import median
from time import perf_counter_ns

from prometheus_client import generate_latest

from fuseboard import CircuitBreaker, Registry
from fuseboard.metrics.collector import collector_registry

_SIZES = (10, 100, 1000)
_ROUNDS = 15
_SNAPSHOTS = 1000


def main(arguments: Sequence[str] | None = None) -> None:
    """Print time and size of a scrape, and for how long it holds a breaker's lock."""
    parser = argparse.ArgumentParser(description="Measure what a scrape costs.")
    parser.add_argument("--quick", action="store_true", help="only show that it runs")
    quick = parser.parse_args(arguments).quick
    rounds, snapshots = (1, 10) if quick else (_ROUNDS, _SNAPSHOTS)
    print(f"{'breakers':>8} {'ms':>8} {'µs a breaker':>13} {'KiB':>8}")
    for size in _SIZES:
        registry = _used_registry(size)
        collectors = collector_registry(registry)
        times = []
        for _ in range(rounds):
            start = perf_counter_ns()
            exposition = generate_latest(collectors)
            times.append(perf_counter_ns() - start)
        taken = median(times)
        print(f"{size:>8} {taken / 1e6:>8.2f} {taken / 1e3 / size:>13.1f}", end="")
        print(f" {len(exposition) / 1024:>8.1f}")
    microseconds = _snapshot_microseconds(snapshots)
    print(f"a snapshot, for which alone a call may have to wait: {microseconds:.1f} µs")


def _used_registry(size: int) -> Registry:
    registry = Registry()
    for number in range(size):
        breaker = registry.breaker(f"service_{number}")
        for _ in range(20):
            breaker.call(int)
    return registry


def _snapshot_microseconds(snapshots: int) -> float:
    breaker = CircuitBreaker("model")
    call = breaker.guard(int)
    times = []
    for _ in range(snapshots):
        for _ in range(255):  # the most that a snapshot may have to fold
            call()
        start = perf_counter_ns()
        breaker.snapshot()
        times.append(perf_counter_ns() - start)
    return median(times) / 1e3


if __name__ == "__main__":
    main()
