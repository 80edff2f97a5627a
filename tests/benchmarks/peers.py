"""The contestants of other libraries, used as their documentation recommends.

All are used as decorators, and configured as closely as possible to "trip
after that many consecutive failures, and nothing else". `interlock` and
`nopanic` have failure rates only: they keep their default windows and rates,
and the threshold becomes their minimum number of calls.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from importlib import import_module, metadata
from inspect import iscoroutinefunction
from itertools import count
from typing import Any

from tests.benchmarks.contestant import STAYS_OPEN, Contestant, Function


def load_peers() -> tuple[list[Contestant], list[str]]:
    """Return the contestants that are installed, and the distributions that are not."""
    installed = []
    missing = []
    for distribution, (module, enter) in _PEERS.items():
        try:
            peer = enter(import_module(module))
        except ImportError:
            missing.append(distribution)
        else:
            installed.append(replace(peer, version=metadata.version(distribution)))
    return installed, missing


def _pybreaker(pybreaker: Any) -> Contestant:
    # Its call_async() is for Tornado's coroutines; it cannot guard asyncio's.
    def guard(function: Function, trips_after: int) -> Function:
        breaker = pybreaker.CircuitBreaker(fail_max=trips_after, reset_timeout=STAYS_OPEN)
        guarded: Function = breaker(function)
        return guarded

    return Contestant(
        "pybreaker", guard, pybreaker.CircuitBreakerError, thread_safe=True, awaits=False
    )


def _circuitbreaker(circuitbreaker: Any) -> Contestant:
    # The decorator, because neither its call() nor its context manager ever rejects.
    names = count(1)

    def guard(function: Function, trips_after: int) -> Function:
        decorate = circuitbreaker.circuit(
            failure_threshold=trips_after,
            recovery_timeout=STAYS_OPEN,
            name=f"benchmark {next(names)}",
        )
        guarded: Function = decorate(function)
        return guarded

    return Contestant(
        "circuitbreaker", guard, circuitbreaker.CircuitBreakerError, thread_safe=False
    )


def _aiobreaker(aiobreaker: Any) -> Contestant:
    def guard(function: Function, trips_after: int) -> Function:
        breaker = aiobreaker.CircuitBreaker(
            fail_max=trips_after, timeout_duration=timedelta(seconds=STAYS_OPEN)
        )
        guarded: Function = breaker(function)
        return guarded

    return Contestant("aiobreaker", guard, aiobreaker.CircuitBreakerError, thread_safe=False)


def _purgatory(purgatory: Any) -> Contestant:
    rejection = import_module("purgatory.domain.model").OpenedState

    def guard(function: Function, trips_after: int) -> Function:
        asynchronous = iscoroutinefunction(function)
        kind = "AsyncCircuitBreakerFactory" if asynchronous else "SyncCircuitBreakerFactory"
        breakers = getattr(purgatory, kind)()
        guarded: Function = breakers("benchmark", threshold=trips_after, ttl=STAYS_OPEN)(function)
        return guarded

    return Contestant("purgatory", guard, rejection, thread_safe=False)


def _interlock(interlock: Any) -> Contestant:
    def guard(function: Function, trips_after: int) -> Function:
        config = interlock.Config(
            minimum_number_of_calls=trips_after, wait_duration_in_open=STAYS_OPEN
        )
        breaker = interlock.CircuitBreaker(name="benchmark", config=config)
        guarded: Function = breaker(function)
        return guarded

    return Contestant("interlock-cb", guard, interlock.CircuitOpenError, thread_safe=True)


def _nopanic(nopanic: Any) -> Contestant:
    def guard(function: Function, trips_after: int) -> Function:
        breaker = nopanic.circuit_breaker(min_calls=trips_after, reset_timeout=STAYS_OPEN)
        guarded: Function = breaker(function)
        return guarded

    return Contestant("nopanic", guard, nopanic.CircuitOpen, thread_safe=True)


def _pyresilience(pyresilience: Any) -> Contestant:
    def guard(function: Function, trips_after: int) -> Function:
        config = pyresilience.CircuitBreakerConfig(
            failure_threshold=trips_after, recovery_timeout=STAYS_OPEN
        )
        guarded: Function = pyresilience.resilient(circuit_breaker=config)(function)
        return guarded

    return Contestant("pyresilience", guard, pyresilience.CircuitOpenError, thread_safe=True)


def _fluxgate(fluxgate: Any) -> Contestant:
    trippers = import_module("fluxgate.trippers")
    retries = import_module("fluxgate.retries")

    def guard(function: Function, trips_after: int) -> Function:
        asynchronous = iscoroutinefunction(function)
        kind = fluxgate.AsyncCircuitBreaker if asynchronous else fluxgate.CircuitBreaker
        breaker = kind(
            tripper=trippers.FailureStreak(trips_after), retry=retries.Cooldown(STAYS_OPEN)
        )
        guarded: Function = breaker(function)
        return guarded

    return Contestant("fluxgate", guard, fluxgate.CallNotPermittedError, thread_safe=False)


_PEERS: dict[str, tuple[str, Callable[[Any], Contestant]]] = {
    "circuitbreaker": ("circuitbreaker", _circuitbreaker),
    "nopanic": ("nopanic", _nopanic),
    "pyresilience": ("pyresilience", _pyresilience),
    "interlock-cb": ("interlock", _interlock),
    "pybreaker": ("pybreaker", _pybreaker),
    "aiobreaker": ("aiobreaker", _aiobreaker),
    "fluxgate": ("fluxgate", _fluxgate),
    "purgatory": ("purgatory", _purgatory),
}
