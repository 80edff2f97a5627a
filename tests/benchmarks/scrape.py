"""What a scrape costs with few breakers and with many: `python -m tests.benchmarks.scrape`."""

from __future__ import annotations

from statistics import median
from time import perf_counter_ns

from prometheus_client import generate_latest

from fuseboard import CircuitBreaker, Registry
from fuseboard.metrics.collector import collector_registry

_SIZES = (10, 100, 1000)
_ROUNDS = 15


def main() -> None:
    """Print time and size of a scrape, and how long it keeps a breaker to itself."""
    print(f"{'breakers':>8} {'ms':>8} {'µs a breaker':>13} {'KiB':>8}")
    for size in _SIZES:
        registry = _used_registry(size)
        collectors = collector_registry(registry)
        times = []
        for _ in range(_ROUNDS):
            start = perf_counter_ns()
            exposition = generate_latest(collectors)
            times.append(perf_counter_ns() - start)
        taken = median(times)
        print(f"{size:>8} {taken / 1e6:>8.2f} {taken / 1e3 / size:>13.1f}", end="")
        print(f" {len(exposition) / 1024:>8.1f}")
    print(f"a snapshot, for which alone a call may have to wait: {_snapshot_microseconds():.1f} µs")


def _used_registry(size: int) -> Registry:
    registry = Registry()
    for number in range(size):
        breaker = registry.breaker(f"service_{number}")
        for _ in range(20):
            breaker.call(int)
    return registry


def _snapshot_microseconds() -> float:
    breaker = CircuitBreaker("model")
    call = breaker.guard(int)
    times = []
    for _ in range(1000):
        for _ in range(255):  # as many as there can be to count
            call()
        start = perf_counter_ns()
        breaker.snapshot()
        times.append(perf_counter_ns() - start)
    return median(times) / 1e3


if __name__ == "__main__":
    main()
