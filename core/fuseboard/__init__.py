"""fuseboard: a circuit breaker for calls that may hang, stream or lie, and what watches it.

from fuseboard import CircuitBreaker, CircuitOpenError

breaker = CircuitBreaker("payments")
try:
    receipt = breaker.call(charge, card)
except CircuitOpenError as rejection:
    come_back_in(rejection.retry_after)
"""

from fuseboard.backoff import Backoff
from fuseboard.breaker import CircuitBreaker
from fuseboard.errors import CircuitOpenError, RejectedBecause
from fuseboard.history import Call, Failure, Transition
from fuseboard.permit import Permit
from fuseboard.rate_policies import FailureRate, SlowCallRate
from fuseboard.registry import REGISTRY, Registry
from fuseboard.settings import BreakerSettings
from fuseboard.snapshot import BreakerSnapshot
from fuseboard.state import Mode, State
from fuseboard.trip_policy import ConsecutiveFailures, TripPolicy
from fuseboard.verdict import Ruling, Verdict
from fuseboard.version import __version__
from fuseboard.window import CountWindow, TimeWindow

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
