"""Metrics of circuit breakers for Prometheus, and reporting of breakers from other libraries.

record_circuit_breaker_call("their-breaker", "failure")
update_circuit_breaker_state("their-breaker", "open")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fuseboard.metrics.collector import BreakerCollector
    from fuseboard.metrics.report import (
        METRICS_ENABLED,
        record_circuit_breaker_call,
        record_circuit_breaker_transition,
        update_circuit_breaker_failures,
        update_circuit_breaker_state,
    )

__all__ = [
    "METRICS_ENABLED",
    "BreakerCollector",
    "record_circuit_breaker_call",
    "record_circuit_breaker_transition",
    "update_circuit_breaker_failures",
    "update_circuit_breaker_state",
]

# Imported on first use: the collector needs prometheus_client, which the others do without.
_MODULE_OF = {
    "METRICS_ENABLED": "report",
    "BreakerCollector": "collector",
    "record_circuit_breaker_call": "report",
    "record_circuit_breaker_transition": "report",
    "update_circuit_breaker_failures": "report",
    "update_circuit_breaker_state": "report",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
