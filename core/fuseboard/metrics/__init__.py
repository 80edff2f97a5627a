"""Metrics of circuit breakers for Prometheus, and reporting of breakers from other libraries.

    from fuseboard.metrics import record_circuit_breaker_call, update_circuit_breaker_state

    record_circuit_breaker_call("their-breaker", "failure")
    update_circuit_breaker_state("their-breaker", "open")

Names are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fuseboard.lazy_names import lazy_getattr

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

# The collector needs prometheus_client, which the others do without.
__getattr__ = lazy_getattr(
    __name__,
    {
        "collector": "BreakerCollector",
        "report": (
            "METRICS_ENABLED record_circuit_breaker_call record_circuit_breaker_transition"
            " update_circuit_breaker_failures update_circuit_breaker_state"
        ),
    },
)


def __dir__() -> list[str]:
    return list(__all__)
