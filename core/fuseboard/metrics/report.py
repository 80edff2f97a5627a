"""Reporting of breakers from other libraries, so that they are shown and scraped, too.

Breakers of fuseboard need nothing of this: the collector reads their counters.
None of the four functions raises: an error in reporting is logged, once for each
breaker's name.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import reprlib
from collections.abc import Callable
from functools import cache, wraps
from typing import ParamSpec

from fuseboard.breaker.external import ExternalBreaker
from fuseboard.breaker.registry import REGISTRY
from fuseboard.breaker.state import State

P = ParamSpec("P")

_logger = logging.getLogger(__name__)


def _is_enabled(setting: str) -> bool:
    wanted = setting.strip().lower() not in {"0", "false", "no", "off"}
    return wanted and importlib.util.find_spec("prometheus_client") is not None


METRICS_ENABLED = _is_enabled(os.environ.get("METRICS_ENABLED", "1"))
"""Whether metrics are collected and served.

False if the environment has `METRICS_ENABLED=0` or prometheus_client is not
installed. Breakers work the same without metrics, and those that are reported
are on the board all the same.
"""

_MAX_LOGGED = 1000
# What has been logged: the function, the breaker's name as text, and the kind of error. It needs
# no lock: of two threads with the same error both may log it, at worst.
_logged: set[tuple[str, str, type[Exception]]] = set()

MAX_BREAKERS = 1_000
"""How many breakers there may be for another name to be accepted in a report.

A name that is different in each report would fill the memory, here and in Prometheus.
"""


def _never_raise(report: Callable[P, None]) -> Callable[P, None]:
    """Decorate a function so that it logs what it raises, once for each breaker's name."""

    @wraps(report)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            report(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 (it is logged, once)
            _log_once(report.__name__, args, kwargs, error)

    return guarded


def _log_once(
    function: str, args: tuple[object, ...], kwargs: dict[str, object], error: Exception
) -> None:
    # `reprlib` survives objects that have no text, and shortens those that have too much.
    name = args[0] if args else kwargs.get("breaker_name")
    text = reprlib.repr(name) if isinstance(name, str) else type(name).__name__
    key = (function, text, type(error))
    if key in _logged or len(_logged) >= _MAX_LOGGED:
        return
    _logged.add(key)
    given = [reprlib.repr(value) for value in args]
    given += [f"{key}={reprlib.repr(value)}" for key, value in kwargs.items()]
    call = f"{function}({', '.join(given)})"
    _logger.error("%s was not recorded (told once)", call, exc_info=error)


@_never_raise
def record_circuit_breaker_call(breaker_name: str, status: str) -> None:
    """Count a call through an external breaker.

    `status` is `success`, `failure`, `rejected` or `ignored`.
    """
    _external(breaker_name).count_call(status)


@_never_raise
def update_circuit_breaker_state(breaker_name: str, state: State | int | str) -> None:
    """Set the state of an external breaker: a `State`, its number or its name."""
    _external(breaker_name).set_state(state)


@_never_raise
def record_circuit_breaker_transition(
    breaker_name: str, from_state: State | int | str, to_state: State | int | str
) -> None:
    """Count a transition of an external breaker, and set its state to `to_state`."""
    _external(breaker_name).count_transition(from_state, to_state)


@_never_raise
def update_circuit_breaker_failures(breaker_name: str, count: int) -> None:
    """Set the number of failures of an external breaker since its last success."""
    _external(breaker_name).set_consecutive_failures(count)


def _external(name: str) -> ExternalBreaker:
    if REGISTRY.get(name) is None and len(REGISTRY) >= MAX_BREAKERS:
        _warn_of_too_many()
        return ExternalBreaker(name)
    found = REGISTRY.get_or_add(name, ExternalBreaker)
    if not isinstance(found, ExternalBreaker):
        raise TypeError(f"the breaker {name!r} counts for itself")
    return found


@cache
def _warn_of_too_many() -> None:
    """Log once that there are too many breakers."""
    _logger.warning(
        "reports were not recorded: %d breakers have names already, and more than that are no"
        " names of breakers but of calls",
        MAX_BREAKERS,
    )
