"""Prometheus collectors that read the watched things' own numbers at scrape time.

Nothing is counted twice and a call costs nothing for being scraped. Names,
types and labels are the contract in the README's table of metrics.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from fuseboard.breaker.counters import Durations
from fuseboard.breaker.registry import Registry, Watched
from fuseboard.breaker.snapshot import BreakerSnapshot, CacheSnapshot, PoolSnapshot
from fuseboard.metrics import report as metrics
from fuseboard.metrics.report import NAMESPACE

SnapshotT = TypeVar("SnapshotT")

_logger = logging.getLogger(__name__)


class _WatchedCollector(Collector, Generic[SnapshotT]):
    """Collects everything of one kind that a registry holds."""

    def __init__(self, watched: Watched[SnapshotT], namespace: str = NAMESPACE) -> None:
        self._watched = watched
        self._namespace = metrics.check_namespace(namespace)

    def describe(self) -> Iterable[Metric]:
        """Name the metrics, so that registering them twice is noticed."""
        return self._families(())

    def collect(self) -> Iterator[Metric]:
        """Read every thing; one that cannot be read is logged and left out."""
        if metrics.METRICS_ENABLED:
            yield from self._families(tuple(self._pictures()))

    def _pictures(self) -> Iterator[SnapshotT]:
        for thing in self._watched:
            try:
                yield thing.snapshot()
            except Exception:
                _logger.exception("%r could not be scraped", thing.name)

    @abstractmethod
    def _families(self, pictures: tuple[SnapshotT, ...]) -> Iterator[Metric]: ...


class BreakerCollector(_WatchedCollector[BreakerSnapshot]):
    """Collects breakers."""

    def _families(self, pictures: tuple[BreakerSnapshot, ...]) -> Iterator[Metric]:
        prefix = f"{self._namespace}_circuit_breaker_"
        by_name = ["breaker_name"]

        state = GaugeMetricFamily(
            f"{prefix}state", "State: 0 CLOSED, 1 OPEN, 2 HALF_OPEN.", labels=by_name
        )
        calls = CounterMetricFamily(
            f"{prefix}calls", "Calls by how they ended.", labels=[*by_name, "status"]
        )
        transitions = CounterMetricFamily(
            f"{prefix}transitions",
            "Transitions from state to state.",
            labels=[*by_name, "from_state", "to_state"],
        )
        failures = GaugeMetricFamily(
            f"{prefix}consecutive_failures", "Failures since the last success.", labels=by_name
        )
        changed = GaugeMetricFamily(
            f"{prefix}last_state_change_timestamp",
            "When the state last changed, Unix seconds.",
            labels=by_name,
        )
        changed_seconds = GaugeMetricFamily(
            f"{prefix}last_state_change_timestamp_seconds",
            "The same, under the name that Prometheus recommends.",
            labels=by_name,
        )
        durations = HistogramMetricFamily(
            f"{prefix}call_duration_seconds",
            "How long admitted calls took.",
            labels=[*by_name, "status"],
        )
        in_states = CounterMetricFamily(
            f"{prefix}state_seconds", "Time spent in each state.", labels=[*by_name, "state"]
        )
        late = CounterMetricFamily(
            f"{prefix}late_results",
            "Results that came after the state had moved on.",
            labels=by_name,
        )
        unsent = CounterMetricFamily(
            f"{prefix}unsent_calls",
            "Ignored calls that never left this process.",
            labels=by_name,
        )
        in_flight = GaugeMetricFamily(
            f"{prefix}calls_in_flight", "Admitted calls that have not ended.", labels=by_name
        )

        for breaker in pictures:
            name = breaker.name
            state.add_metric([name], breaker.state)
            calls.add_metric([name, "success"], breaker.calls.success)
            calls.add_metric([name, "failure"], breaker.calls.failure)
            calls.add_metric([name, "rejected"], breaker.calls.rejected)
            calls.add_metric([name, "ignored"], breaker.calls.ignored)
            for (from_state, to_state), count in breaker.transitions.items():
                transitions.add_metric([name, from_state.name, to_state.name], count)
            failures.add_metric([name], breaker.consecutive_failures)
            changed.add_metric([name], breaker.changed_at)
            changed_seconds.add_metric([name], breaker.changed_at)
            for verdict, seen in breaker.durations.items():
                _add_histogram(durations, [name, verdict.value], seen)
            for spent_in, seconds in breaker.state_seconds.items():
                in_states.add_metric([name, spent_in.name], seconds)
            late.add_metric([name], breaker.late)
            unsent.add_metric([name], breaker.unsent)
            in_flight.add_metric([name], breaker.in_flight)

        yield from (state, calls, transitions, failures, changed, changed_seconds)
        yield from (durations, in_states, late, unsent, in_flight)


class PoolCollector(_WatchedCollector[PoolSnapshot]):
    """Collects pools of connections."""

    def _families(self, pictures: tuple[PoolSnapshot, ...]) -> Iterator[Metric]:
        prefix = f"{self._namespace}_connection_pool_"
        by_name = ["pool"]
        active = GaugeMetricFamily(
            f"{prefix}active_connections", "Connections in use.", labels=by_name
        )
        maximum = GaugeMetricFamily(
            f"{prefix}max_connections", "Connections that there may be.", labels=by_name
        )
        percent = GaugeMetricFamily(
            f"{prefix}utilization_percent", "Connections in use, 0-100.", labels=by_name
        )
        ratio = GaugeMetricFamily(
            f"{prefix}utilization_ratio", "Connections in use, 0-1.", labels=by_name
        )
        waits = HistogramMetricFamily(
            f"{prefix}wait_seconds", "How long calls waited for a connection.", labels=by_name
        )
        for pool in pictures:
            active.add_metric([pool.name], pool.active)
            maximum.add_metric([pool.name], pool.maximum)
            percent.add_metric([pool.name], 100 * pool.utilization)
            ratio.add_metric([pool.name], pool.utilization)
            _add_histogram(waits, [pool.name], pool.waits)
        yield from (active, maximum, percent, ratio, waits)


class CacheCollector(_WatchedCollector[CacheSnapshot]):
    """Collects caches."""

    def _families(self, pictures: tuple[CacheSnapshot, ...]) -> Iterator[Metric]:
        prefix = f"{self._namespace}_cache_"
        by_name = ["cache"]
        hits = CounterMetricFamily(
            f"{prefix}hits", "Requests answered without asking the model.", labels=by_name
        )
        misses = CounterMetricFamily(
            f"{prefix}misses", "Requests that the model was asked for.", labels=by_name
        )
        rate = GaugeMetricFamily(
            f"{prefix}hit_rate", "Share of requests that were hits, 0-1.", labels=by_name
        )
        ratio = GaugeMetricFamily(
            f"{prefix}hit_ratio",
            "The same, under the name that Prometheus recommends.",
            labels=by_name,
        )
        entries = GaugeMetricFamily(f"{prefix}entries", "Answers it holds.", labels=by_name)
        maximum = GaugeMetricFamily(f"{prefix}max_entries", "Answers it may hold.", labels=by_name)
        for cache in pictures:
            hits.add_metric([cache.name], cache.hits)
            misses.add_metric([cache.name], cache.misses)
            rate.add_metric([cache.name], cache.hit_rate)
            ratio.add_metric([cache.name], cache.hit_rate)
            entries.add_metric([cache.name], cache.entries)
            maximum.add_metric([cache.name], cache.maximum)
        yield from (hits, misses, rate, ratio, entries, maximum)


def collector_registry(registry: Registry, namespace: str = NAMESPACE) -> CollectorRegistry:
    """Make a Prometheus registry that collects all that `registry` holds.

    It shares nothing with `prometheus_client.REGISTRY`, so that making another,
    or importing this again, clashes with nothing. To export with metrics of
    your own, register the collectors in your own registry.

    Raises:
        ValueError: If the namespace cannot begin a metric's name.
    """
    collectors = CollectorRegistry()
    collectors.register(BreakerCollector(registry, namespace))
    collectors.register(PoolCollector(registry.pools, namespace))
    collectors.register(CacheCollector(registry.caches, namespace))
    return collectors


def write_exposition(collectors: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """Write the exposition as `accept` asks for it; returns it with its content type.

    The text format is given to whoever does not ask for OpenMetrics.
    """
    encode, content_type = choose_encoder(accept)
    return encode(collectors), content_type


def _add_histogram(family: HistogramMetricFamily, labels: list[str], seen: Durations) -> None:
    buckets = [(str(bound), count) for bound, count in seen.buckets]
    family.add_metric(labels, [*buckets, ("+Inf", seen.count)], sum_value=seen.sum)
