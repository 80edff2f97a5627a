"""The circuit breakers that are compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

NEVER = 10**9
"""A threshold that no run reaches."""
TRIPS_AFTER = 5
"""The threshold, in consecutive failures, of a breaker that is meant to open."""
STAYS_OPEN = 3600
"""The recovery timeout in seconds; no run takes that long."""

Function = Callable[..., Any]


class ServiceError(Exception):
    """The failure that every breaker here counts."""


class NotGuardingError(Exception):
    """A contestant does not do what a breaker must, so that its times would mean nothing."""


@dataclass(frozen=True)
class Contestant:
    """One circuit breaker: a row of the table."""

    name: str
    guard: Callable[[Function, int], Function]
    """Guard a function by a new breaker with that threshold of consecutive failures."""
    rejection: type[Exception]
    """The exception that its open breaker raises."""
    thread_safe: bool
    awaits: bool = True
    """Whether it can guard a coroutine function."""
    version: str = ""
    between_rounds: Callable[[], object] = lambda: None
    """Work that production code does now and then, such as a scrape; it is not timed."""

    def tripped(self, function: Function) -> Function:
        """Guard a function that always fails, and call it until the breaker rejects.

        Raises:
            NotGuardingError: If the breaker still admits calls.
        """
        guarded = self.guard(function, TRIPS_AFTER)
        for _ in range(TRIPS_AFTER + 1):
            try:
                guarded()
            except self.rejection:
                return guarded
            except ServiceError:
                continue
        raise NotGuardingError(f"{self.name} still admits after {TRIPS_AFTER} failures in a row")
