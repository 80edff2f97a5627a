"""Immutable snapshots of a breaker, and of the pools and caches registered with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fuseboard.breaker.counters import CallCounts, Durations
from fuseboard.breaker.outcome import Verdict
from fuseboard.breaker.policies.base import Gauge
from fuseboard.breaker.records import Transition
from fuseboard.breaker.state import Mode, State
from fuseboard.breaker.tunables import Tunable


class TransitionCounts(Mapping[tuple[State, State], int]):
    """How many transitions a breaker has made, by (from, to). Immutable."""

    __slots__ = ("_counts",)

    def __init__(self, counts: Mapping[tuple[State, State], int]) -> None:
        self._counts = dict(counts)

    def __getitem__(self, transition: tuple[State, State]) -> int:
        return self._counts[transition]

    def __iter__(self) -> Iterator[tuple[State, State]]:
        return iter(self._counts)

    def __len__(self) -> int:
        return len(self._counts)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._counts!r})"


@dataclass(frozen=True, slots=True)
class BreakerSnapshot:
    """One breaker at one moment; its figures are consistent with each other."""

    name: str
    state: State
    mode: Mode
    why: str
    """Why it is in this state, as a text for people."""
    changed_at: float
    """When it came into this state, Unix seconds."""
    seconds_in_state: float
    retry_after: float | None
    """Seconds until probes are admitted; `None` unless it is open and recovers by itself."""
    recovery_timeout: float | None
    """Length of the present or next opening, seconds; `None` if that is not known."""
    calls: CallCounts
    late: int
    """Calls that ended after a later transition; they are counted in `calls` too."""
    unsent: int
    """Calls that never left this process; they are counted as ignored, too."""
    in_flight: int
    probes: int
    """How many of those in flight are probes of the present half-open state."""
    consecutive_failures: int
    gauges: tuple[Gauge, ...]
    """The trip policy's measures and their limits."""
    history: tuple[Transition, ...]
    """The latest transitions, oldest first."""
    transitions: TransitionCounts
    """The number of transitions by (from, to)."""
    state_seconds: Mapping[State, float]
    """Seconds spent in each state, the present one included."""
    durations: Mapping[Verdict, Durations]
    successes_missing: int | None = None
    """Probes that must still succeed to close it; `None` unless it is half-open and automatic."""
    tunables: tuple[Tunable, ...] = ()
    """The numbers that can be changed while it runs; none for an external breaker."""


@dataclass(frozen=True, slots=True)
class PoolSnapshot:
    """A pool of connections at one moment."""

    name: str
    active: int
    """How many calls hold a connection."""
    maximum: int
    waits: Durations
    """How long calls waited for a connection, seconds."""

    @property
    def utilization(self) -> float:
        """The share of connections in use, 0-1."""
        return self.active / self.maximum


@dataclass(frozen=True, slots=True)
class CacheSnapshot:
    """A cache at one moment."""

    name: str
    hits: int
    """Requests served from the cache, or by an identical request under way."""
    misses: int
    entries: int
    maximum: int
    """The most entries it stores."""

    @property
    def hit_rate(self) -> float:
        """The share of requests that were hits, 0-1; 0 before there were any."""
        requests = self.hits + self.misses
        return self.hits / requests if requests else 0.0
