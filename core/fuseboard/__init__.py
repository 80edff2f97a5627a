"""fuseboard: a circuit breaker for calls that may hang, stream or lie, and what watches it.

from fuseboard import CircuitBreaker, CircuitOpenError

breaker = CircuitBreaker("payments")
try:
    receipt = breaker.call(charge, card)
except CircuitOpenError as rejection:
    come_back_in(rejection.retry_after)
"""

from fuseboard.breaker import CircuitBreaker, Permit
from fuseboard.errors import CircuitOpenError, RejectedBecause
from fuseboard.history import Failure, Transition
from fuseboard.registry import REGISTRY, Registry
from fuseboard.snapshot import BreakerSnapshot
from fuseboard.state import Mode, State
from fuseboard.trip_policy import ConsecutiveFailures, TripPolicy
from fuseboard.verdict import Verdict
from fuseboard.version import __version__

__all__ = [
    "REGISTRY",
    "BreakerSnapshot",
    "CircuitBreaker",
    "CircuitOpenError",
    "ConsecutiveFailures",
    "Failure",
    "Mode",
    "Permit",
    "Registry",
    "RejectedBecause",
    "State",
    "Transition",
    "TripPolicy",
    "Verdict",
    "__version__",
]
