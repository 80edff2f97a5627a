"""Immutable pictures of a breaker, and of the pools and caches that are registered beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fuseboard.breaker.counters import CallCounts, Durations
from fuseboard.breaker.outcome import Verdict
from fuseboard.breaker.policies.base import Gauge
from fuseboard.breaker.records import Transition
from fuseboard.breaker.state import Mode, State
from fuseboard.breaker.tunables import Tunable


@dataclass(frozen=True, slots=True)
class BreakerSnapshot:
    """One breaker at one moment; all its figures belong together."""

    name: str
    state: State
    mode: Mode
    why: str
    """Why it is in this state, in words."""
    changed_at: float
    """When it came into this state, Unix seconds."""
    seconds_in_state: float
    retry_after: float | None
    """Seconds until probes are admitted, while it is open and will recover by itself."""
    recovery_timeout: float | None
    """How long the present (or next) opening lasts, seconds; `None` if that is not known."""
    calls: CallCounts
    late: int
    """Results that came after the state had moved on; they are in `calls` too."""
    unsent: int
    """Calls that never left this process; they are among the ignored."""
    in_flight: int
    probes: int
    """How many of those in flight are probes of the present half-open state."""
    consecutive_failures: int
    gauges: tuple[Gauge, ...]
    """How far the trip policy's measures have come."""
    history: tuple[Transition, ...]
    """The latest transitions, oldest first."""
    transitions: Mapping[tuple[State, State], int]
    """How many transitions there were, by (from, to)."""
    state_seconds: Mapping[State, float]
    """Seconds spent in each state, the present one included."""
    durations: Mapping[Verdict, Durations]
    successes_missing: int | None = None
    """How many probes must still succeed to close it, while it is half-open and decides itself."""
    settings: tuple[Tunable, ...] = ()
    """The numbers that can be changed while it runs; none if it is not decided here."""


@dataclass(frozen=True, slots=True)
class PoolSnapshot:
    """A pool of connections at one moment."""

    name: str
    active: int
    """How many calls hold a connection."""
    maximum: int
    waits: Durations
    """How long calls waited for one, seconds."""

    @property
    def utilization(self) -> float:
        """The share that is in use, 0-1."""
        return self.active / self.maximum


@dataclass(frozen=True, slots=True)
class CacheSnapshot:
    """A cache at one moment."""

    name: str
    hits: int
    """Requests answered from it, or by a request for the same that was under way."""
    misses: int
    entries: int
    maximum: int
    """How many entries it keeps at most."""

    @property
    def hit_rate(self) -> float:
        """The share of requests that were hits, 0-1; 0 before there were any."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else 0.0
