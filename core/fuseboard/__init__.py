"""fuseboard: a circuit breaker for calls that can fail, hang or stream.

    from fuseboard import CircuitBreaker, CircuitOpenError

    breaker = CircuitBreaker("payments")
    try:
        receipt = breaker.call(charge, card)
    except CircuitOpenError as rejection:
        retry_in(rejection.retry_after)

- `CircuitBreaker` guards synchronous and asynchronous calls; `BreakerSettings`,
  `Backoff` and the trip policies `ConsecutiveFailures`, `FailureRate` and
  `SlowCallRate` configure it.
- `REGISTRY`, a `Registry`, makes and finds breakers by name.
- `breaker.snapshot()` returns its state and counters as a `BreakerSnapshot`.

Importing this package does not import the breaker: a module of
`fuseboard.breaker`, which needs the standard library only, is imported when one
of its names is first used. HTTP clients are guarded by `fuseboard.http`,
Prometheus metrics are exported by `fuseboard.metrics`, and `fuseboard.ollama` is
a guarded Ollama client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fuseboard.lazy_names import lazy_getattr
from fuseboard.version import __version__

if TYPE_CHECKING:
    from fuseboard.breaker.backoff import Backoff
    from fuseboard.breaker.breaker import CircuitBreaker
    from fuseboard.breaker.errors import CircuitOpenError, RejectedBecause
    from fuseboard.breaker.outcome import Ruling, Verdict
    from fuseboard.breaker.permit import Permit
    from fuseboard.breaker.policies.base import TripPolicy
    from fuseboard.breaker.policies.consecutive import ConsecutiveFailures
    from fuseboard.breaker.policies.rates import FailureRate, SlowCallRate
    from fuseboard.breaker.policies.windows import CountWindow, TimeWindow
    from fuseboard.breaker.records import Call, Failure, Transition
    from fuseboard.breaker.registry import REGISTRY, Registry
    from fuseboard.breaker.settings import BreakerSettings
    from fuseboard.breaker.snapshot import BreakerSnapshot
    from fuseboard.breaker.state import Mode, State

__all__ = [
    "REGISTRY",
    "Backoff",
    "BreakerSettings",
    "BreakerSnapshot",
    "Call",
    "CircuitBreaker",
    "CircuitOpenError",
    "ConsecutiveFailures",
    "CountWindow",
    "Failure",
    "FailureRate",
    "Mode",
    "Permit",
    "Registry",
    "RejectedBecause",
    "Ruling",
    "SlowCallRate",
    "State",
    "TimeWindow",
    "Transition",
    "TripPolicy",
    "Verdict",
    "__version__",
]

# This package is imported before each of its modules, and most of them need none of the breaker.
__getattr__ = lazy_getattr(
    __name__,
    {
        "breaker.backoff": "Backoff",
        "breaker.breaker": "CircuitBreaker",
        "breaker.errors": "CircuitOpenError RejectedBecause",
        "breaker.outcome": "Ruling Verdict",
        "breaker.permit": "Permit",
        "breaker.policies.base": "TripPolicy",
        "breaker.policies.consecutive": "ConsecutiveFailures",
        "breaker.policies.rates": "FailureRate SlowCallRate",
        "breaker.policies.windows": "CountWindow TimeWindow",
        "breaker.records": "Call Failure Transition",
        "breaker.registry": "REGISTRY Registry",
        "breaker.settings": "BreakerSettings",
        "breaker.snapshot": "BreakerSnapshot",
        "breaker.state": "Mode State",
    },
)


def __dir__() -> list[str]:
    return list(__all__)
