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

Importing this package loads the standard library and `fuseboard.breaker` only.
HTTP clients are guarded by `fuseboard.http`, Prometheus metrics are exported
by `fuseboard.metrics`, and `fuseboard.ollama` is a guarded Ollama client.
"""

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
from fuseboard.version import __version__

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
