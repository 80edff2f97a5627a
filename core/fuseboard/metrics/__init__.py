"""Breakers on `/metrics`, and how to report a breaker that somebody else wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fuseboard.metrics.report import (
    METRICS_ENABLED,
    record_circuit_breaker_call,
    record_circuit_breaker_transition,
    update_circuit_breaker_failures,
    update_circuit_breaker_state,
)

if TYPE_CHECKING:
    from fuseboard.metrics.collector import BreakerCollector

__all__ = [
    "METRICS_ENABLED",
    "BreakerCollector",
    "record_circuit_breaker_call",
    "record_circuit_breaker_transition",
    "update_circuit_breaker_failures",
    "update_circuit_breaker_state",
]


def __getattr__(name: str) -> Any:
    # The collector needs prometheus_client, which the four functions do without.
    if name == "BreakerCollector":
        from fuseboard.metrics.collector import BreakerCollector

        return BreakerCollector
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
