"""A Prometheus collector that reads the breakers' own numbers at scrape time.

Nothing is counted twice and a call costs nothing for being scraped. Names,
types and labels are the contract in the README's table of metrics.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from fuseboard import metrics
from fuseboard.registry import Registry
from fuseboard.snapshot import BreakerSnapshot

NAMESPACE = "ollama_rag"
"""What every metric's name begins with unless another namespace is chosen."""

_logger = logging.getLogger(__name__)


class BreakerCollector(Collector):
    """Collects every breaker of a registry."""

    def __init__(self, registry: Registry, namespace: str = NAMESPACE) -> None:
        self._registry = registry
        self._prefix = f"{namespace}_circuit_breaker_"

    def describe(self) -> Iterable[Metric]:
        """Name the metrics, so that registering them twice is noticed."""
        return self._families(())

    def collect(self) -> Iterator[Metric]:
        """Read every breaker; one that cannot be read is logged and left out."""
        if metrics.METRICS_ENABLED:
            yield from self._families(tuple(self._snapshots()))

    def _snapshots(self) -> Iterator[BreakerSnapshot]:
        for breaker in self._registry:
            try:
                yield breaker.snapshot()
            except Exception:
                _logger.exception("the breaker %r could not be scraped", breaker.name)

    def _families(self, breakers: tuple[BreakerSnapshot, ...]) -> Iterator[Metric]:
        prefix = self._prefix
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

        for breaker in breakers:
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
            for verdict, seen in breaker.durations.items():
                buckets = [(str(bound), count) for bound, count in seen.buckets]
                durations.add_metric(
                    [name, verdict.value], [*buckets, ("+Inf", seen.count)], sum_value=seen.sum
                )
            for spent_in, seconds in breaker.state_seconds.items():
                in_states.add_metric([name, spent_in.name], seconds)
            late.add_metric([name], breaker.late)
            unsent.add_metric([name], breaker.unsent)
            in_flight.add_metric([name], breaker.in_flight)

        yield from (state, calls, transitions, failures, changed)
        yield from (durations, in_states, late, unsent, in_flight)


def expose(collectors: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """Write the exposition as `accept` asks for it; returns it with its content type.

    The text format is given to whoever does not ask for OpenMetrics.
    """
    encode, content_type = choose_encoder(accept)
    return encode(collectors), content_type
