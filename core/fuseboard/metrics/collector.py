"""Prometheus collectors for breakers, connection pools and caches.

They read the counters of what is registered at scrape time, so that a call
costs nothing for being scraped. Names, types and labels of the metrics are a
contract: the table in `docs/metrics.md`.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from fuseboard.breaker.counters import Durations
from fuseboard.breaker.registry import NamedCollection, Registry
from fuseboard.breaker.snapshot import BreakerSnapshot, CacheSnapshot, PoolSnapshot
from fuseboard.breaker.validation import plain_number
from fuseboard.metrics import report
from fuseboard.metrics.namespace import NAMESPACE, check_namespace

SnapshotT = TypeVar("SnapshotT")

_logger = logging.getLogger(__name__)


class _RegistryCollector(Collector, Generic[SnapshotT]):
    """Collect the metrics of everything in one registry.

    Raises:
        ValueError: If a metric name cannot begin with `namespace`.
    """

    def __init__(self, registry: NamedCollection[SnapshotT], namespace: str = NAMESPACE) -> None:
        self._registry = registry
        self._namespace = check_namespace(namespace)
        self._left_out: frozenset[str] = frozenset()  # names of those that were logged

    def describe(self) -> Iterable[Metric]:
        """Return the metrics without samples, by which Prometheus detects duplicates."""
        return self._families()

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics; an entry that cannot be exported is logged once and left out."""
        if not report.METRICS_ENABLED:
            return
        families = self._families()
        left_out = set()
        for snapshot in self._registry.snapshots():
            reached = [len(family.samples) for family in families]
            try:
                self._add(snapshot, *families)
                for family, before in zip(families, reached, strict=True):
                    _check_samples(family.samples[before:])
            except Exception:
                for family, before in zip(families, reached, strict=True):
                    del family.samples[before:]
                name: str = snapshot.name  # type: ignore[attr-defined]
                left_out.add(name)
                if name not in self._left_out:
                    _logger.exception("%r cannot be exported: left out", name)
        registered = self._registry.names()
        self._left_out = self._left_out.intersection(registered) | left_out
        yield from families

    @abstractmethod
    def _families(self) -> tuple[Metric, ...]:
        """Return the metrics without samples."""

    @abstractmethod
    def _add(self, snapshot: SnapshotT, /, *families: Any) -> None:
        """Add the samples of a snapshot to the metrics."""


def _check_samples(samples: list[Sample]) -> None:
    """Raise `TypeError` or `ValueError` if one of the samples cannot be written."""
    values = [sample.value for sample in samples]
    for value in values:
        if type(value) is not float and plain_number(value) is None:
            raise TypeError(f"{samples[values.index(value)].name} is no number: {value!r}")
    sum(map(float, values))  # which fails for a whole number that is too large
    # What is no text cannot be joined, and half of a surrogate pair not be encoded.
    "".join([label for sample in samples for label in sample.labels.values()]).encode()


class BreakerCollector(_RegistryCollector[BreakerSnapshot]):
    """Collect the metrics of breakers."""

    def _families(self) -> tuple[Metric, ...]:
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

        return (
            *(state, calls, transitions, failures, changed, changed_seconds),
            *(durations, in_states, late, unsent, in_flight),
        )

    def _add(
        self,
        breaker: BreakerSnapshot,
        /,
        state: GaugeMetricFamily,
        calls: CounterMetricFamily,
        transitions: CounterMetricFamily,
        failures: GaugeMetricFamily,
        changed: GaugeMetricFamily,
        changed_seconds: GaugeMetricFamily,
        durations: HistogramMetricFamily,
        in_states: CounterMetricFamily,
        late: CounterMetricFamily,
        unsent: CounterMetricFamily,
        in_flight: GaugeMetricFamily,
    ) -> None:
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
        for verdict, measured in breaker.durations.items():
            _add_histogram(durations, [name, verdict.value], measured)
        for spent_in, seconds in breaker.state_seconds.items():
            in_states.add_metric([name, spent_in.name], seconds)
        late.add_metric([name], breaker.late)
        unsent.add_metric([name], breaker.unsent)
        in_flight.add_metric([name], breaker.in_flight)


class PoolCollector(_RegistryCollector[PoolSnapshot]):
    """Collect the metrics of connection pools."""

    def _families(self) -> tuple[Metric, ...]:
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
        return active, maximum, percent, ratio, waits

    def _add(
        self,
        pool: PoolSnapshot,
        /,
        active: GaugeMetricFamily,
        maximum: GaugeMetricFamily,
        percent: GaugeMetricFamily,
        ratio: GaugeMetricFamily,
        waits: HistogramMetricFamily,
    ) -> None:
        active.add_metric([pool.name], pool.active)
        maximum.add_metric([pool.name], pool.maximum)
        percent.add_metric([pool.name], 100 * pool.utilization)
        ratio.add_metric([pool.name], pool.utilization)
        _add_histogram(waits, [pool.name], pool.waits)


class CacheCollector(_RegistryCollector[CacheSnapshot]):
    """Collect the metrics of caches."""

    def _families(self) -> tuple[Metric, ...]:
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
        return hits, misses, rate, ratio, entries, maximum

    def _add(
        self,
        cache: CacheSnapshot,
        /,
        hits: CounterMetricFamily,
        misses: CounterMetricFamily,
        rate: GaugeMetricFamily,
        ratio: GaugeMetricFamily,
        entries: GaugeMetricFamily,
        maximum: GaugeMetricFamily,
    ) -> None:
        hits.add_metric([cache.name], cache.hits)
        misses.add_metric([cache.name], cache.misses)
        rate.add_metric([cache.name], cache.hit_rate)
        ratio.add_metric([cache.name], cache.hit_rate)
        entries.add_metric([cache.name], cache.entries)
        maximum.add_metric([cache.name], cache.maximum)


def collector_registry(registry: Registry, namespace: str = NAMESPACE) -> CollectorRegistry:
    """Return a new Prometheus registry with collectors for everything in `registry`.

    It is independent of `prometheus_client.REGISTRY`, so that several can
    exist. To export breakers together with other metrics, register the
    collectors in the registry of those.

    Raises:
        ValueError: If a metric name cannot begin with `namespace`.
    """
    collectors = CollectorRegistry()
    collectors.register(BreakerCollector(registry, namespace))
    collectors.register(PoolCollector(registry.pools, namespace))
    collectors.register(CacheCollector(registry.caches, namespace))
    return collectors


def write_exposition(collectors: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """Return the exposition and its content type.

    The format is OpenMetrics if the header value `accept` requests it, else
    Prometheus' text format.
    """
    encode, content_type = choose_encoder(accept)
    return encode(collectors), content_type


def _add_histogram(family: HistogramMetricFamily, labels: list[str], durations: Durations) -> None:
    bounds = [floatToGoString(bound) for bound, _ in durations.buckets]  # type: ignore[no-untyped-call]
    counts = [count for _, count in durations.buckets]
    buckets = [*zip(bounds, counts, strict=True), ("+Inf", durations.count)]
    family.add_metric(labels, buckets, sum_value=float(durations.sum))
