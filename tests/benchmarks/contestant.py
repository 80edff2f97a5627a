"""Whoever takes part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

NEVER = 10**9
"""More failures than any run makes."""
TRIPS_AFTER = 5
"""How many failures in a row open a breaker that is meant to open."""
STAYS_OPEN = 3600
"""Seconds from opening to the first probe: no run takes that long."""

Function = Callable[..., Any]


class ServiceError(Exception):
    """The failure that every breaker here counts."""


class NotGuardingError(Exception):
    """A contestant does less than a breaker must; its times would mean nothing."""


@dataclass(frozen=True)
class Contestant:
    """One row of the table."""

    name: str
    guard: Callable[[Function, int], Function]
    """Wraps a function in a new breaker that trips after so many failures in a row."""
    rejection: type[Exception]
    """What its open breaker raises."""
    thread_safe: bool
    awaits: bool = True
    """Whether it can guard a coroutine function."""
    version: str = ""
    between_rounds: Callable[[], object] = lambda: None
    """What happens to it now and then in production, outside of what is timed."""

    def tripped(self, function: Function) -> Function:
        """Guard a function that always fails, and let it fail until the breaker rejects.

        Raises:
            NotGuardingError: If it goes on admitting.
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
