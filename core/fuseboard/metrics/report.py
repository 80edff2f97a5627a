"""The numbers of every breaker in Prometheus' terms, and the way to report a breaker of your own.

A breaker of fuseboard's needs nothing of this module to be scraped: the
collector reads its series. The four functions here are for breakers that
somebody else wrote; what they are told is drawn and scraped like the rest.
None of them ever raises: a fault in metrics is logged and goes no further.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import re
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from fuseboard.breaker.external import ExternalBreaker
from fuseboard.breaker.registry import REGISTRY
from fuseboard.breaker.state import State

P = ParamSpec("P")

_logger = logging.getLogger(__name__)


def _enabled(setting: str) -> bool:
    wanted = setting.strip().lower() not in {"0", "false", "no", "off"}
    return wanted and importlib.util.find_spec("prometheus_client") is not None


NAMESPACE = "ollama_rag"
"""What every metric's name begins with unless another namespace is chosen."""

METRICS_ENABLED = _enabled(os.environ.get("METRICS_ENABLED", "1"))
"""Whether metrics are collected and served.

False if the environment says `METRICS_ENABLED=0` or prometheus_client is not
installed. Everything else works the same without.
"""


def check_namespace(namespace: str) -> str:
    """Give the namespace back if a metric's name can begin with it.

    Raises:
        ValueError: If not.
    """
    if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", namespace):
        raise ValueError(f"a metrics namespace is letters, digits and _, not {namespace!r}")
    return namespace


def _without_raising(report: Callable[P, None]) -> Callable[P, None]:
    @wraps(report)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        if not METRICS_ENABLED:
            return
        try:
            report(*args, **kwargs)
        except Exception:
            _logger.exception("%s%r was not recorded", report.__name__, args)

    return guarded


@_without_raising
def record_circuit_breaker_call(breaker_name: str, status: str) -> None:
    """Count a call of your own breaker.

    `status` is `success`, `failure`, `rejected` or `ignored`.
    """
    _reported(breaker_name).count_call(status)


@_without_raising
def update_circuit_breaker_state(breaker_name: str, state: State | int | str) -> None:
    """Take over the state of your own breaker: a `State`, its number or its name."""
    _reported(breaker_name).set_state(_state(state))


@_without_raising
def record_circuit_breaker_transition(
    breaker_name: str, from_state: State | int | str, to_state: State | int | str
) -> None:
    """Count a transition of your own breaker and take over the state it led to."""
    _reported(breaker_name).count_transition(_state(from_state), _state(to_state))


@_without_raising
def update_circuit_breaker_failures(breaker_name: str, count: int) -> None:
    """Take over how many calls through your own breaker have failed since the last success."""
    _reported(breaker_name).set_consecutive_failures(count)


def _reported(name: str) -> ExternalBreaker:
    found = REGISTRY.get_or_add(name, ExternalBreaker)
    if not isinstance(found, ExternalBreaker):
        raise TypeError(f"the breaker {name!r} counts for itself")
    return found


def _state(state: State | int | str) -> State:
    if isinstance(state, str):
        return State[state.upper().replace("-", "_")]
    return State(state)
