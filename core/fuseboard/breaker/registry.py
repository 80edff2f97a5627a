"""Breakers, pools and caches, registered by name."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, Unpack, cast
from weakref import WeakKeyDictionary, WeakValueDictionary

from fuseboard.breaker.breaker import CircuitBreaker
from fuseboard.breaker.fork import renewed_lock
from fuseboard.breaker.live_object import LiveObject
from fuseboard.breaker.names import check_name
from fuseboard.breaker.settings import BreakerSettings, SettingsKwargs
from fuseboard.breaker.snapshot import BreakerSnapshot, CacheSnapshot, PoolSnapshot
from fuseboard.breaker.state import Mode, State
from fuseboard.breaker.validation import NumberKind

SnapshotT = TypeVar("SnapshotT", covariant=True)

_HELD_INTERVAL = 5.0  # seconds between looks at whether evicted breakers are used again

_logger = logging.getLogger(__name__)


class Registered(Protocol[SnapshotT]):
    """An object that can be registered: it has a name and returns snapshots of itself."""

    @property
    def name(self) -> str:
        """The name it is registered under."""
        ...

    def snapshot(self) -> SnapshotT:
        """Return a snapshot, which has the same name; must not block."""
        ...


class NamedCollection(LiveObject, Generic[SnapshotT]):
    """Objects of one kind by name, in the order in which they were added.

    Every method is thread-safe.
    """

    def __init__(self, kind: str, snapshot_type: type[SnapshotT]) -> None:
        self._kind = kind
        self._snapshot_type: type[object] = snapshot_type
        self._lock = renewed_lock(self)
        self._by_name: dict[str, Registered[SnapshotT]] = {}
        self._unreadable: dict[str, Registered[SnapshotT]] = {}  # those that were logged

    def add(self, member: Registered[SnapshotT]) -> None:
        """Add an object.

        Raises:
            TypeError, ValueError: If its name is no text, or cannot be shown and exported.
            ValueError: If another object has that name.
        """
        name = check_name(member.name, f"a {self._kind}")
        with self._lock:
            if self._by_name.setdefault(name, member) is not member:
                raise ValueError(f"there is a {self._kind} called {name!r} already")

    def remove(self, name: str) -> None:
        """Remove the object of that name, if there is one."""
        with self._lock:
            self._by_name.pop(name, None)

    def get(self, name: str) -> Registered[SnapshotT] | None:
        """Return the object of that name, or `None`."""
        return self._by_name.get(name)

    def get_or_add(
        self, name: str, make: Callable[[str], Registered[SnapshotT]]
    ) -> Registered[SnapshotT]:
        """Return the object of that name; if there is none, add `make(name)` and return it.

        Raises:
            TypeError, ValueError: If the name is no text, or cannot be shown and exported.
        """
        if type(name) is not str:
            name = check_name(name, f"a {self._kind}")
        found = self.get(name)
        if found is None:
            check_name(name, f"a {self._kind}")
            # Made outside the lock, because it is the caller's code; one of two racers wins.
            made = make(name)
            with self._lock:
                found = self._by_name.setdefault(name, made)
        return found

    def __iter__(self) -> Iterator[Registered[SnapshotT]]:
        with self._lock:
            return iter(tuple(self._by_name.values()))

    def __len__(self) -> int:
        return len(self._by_name)

    def names(self) -> tuple[str, ...]:
        """Return all names."""
        with self._lock:
            return tuple(self._by_name)

    def snapshots(self) -> tuple[SnapshotT, ...]:
        """Return a snapshot of each object, taken one after the other.

        An object that raises, or returns what is no snapshot of it, is left
        out; that is logged once.
        """
        return tuple(snapshot for _, snapshot in self._read())

    def _read(self) -> list[tuple[Registered[SnapshotT], SnapshotT]]:
        """Return each object with its snapshot."""
        with self._lock:
            members = dict(self._by_name)
            self._unreadable = {
                name: member
                for name, member in self._unreadable.items()
                if members.get(name) is member
            }
        read = []
        for name, member in members.items():
            try:
                snapshot = member.snapshot()
                self._check_snapshot(name, snapshot)
            except Exception:
                with self._lock:
                    is_known = self._unreadable.get(name) is member
                    self._unreadable[name] = member
                if not is_known:
                    _logger.exception("the %s %r cannot be read: left out", self._kind, name)
            else:
                read.append((member, snapshot))
        return read

    def _check_snapshot(self, name: str, snapshot: object) -> None:
        if not isinstance(snapshot, self._snapshot_type):
            wanted, given = self._snapshot_type.__name__, type(snapshot).__name__
            raise TypeError(f"its snapshot is a {given}, not a {wanted}")
        if snapshot.name != name:  # type: ignore[attr-defined]
            raise ValueError(f"its snapshot is called {snapshot.name!r}")  # type: ignore[attr-defined]


class Registry(NamedCollection[BreakerSnapshot]):
    """The breakers of a program, and the pools and caches that are displayed with them.

    Breakers stay until they are removed, unless there is a limit: for a breaker
    per key (a host, a tenant), those are *evicted* that have gone unused for
    `idle_seconds`, or for longest when there are more than `max_breakers`. Only
    breakers that `breaker()` made are evicted, and none that is open or
    half-open, has calls in flight, is in a manual mode, or was configured since.

    An evicted breaker is no longer shown and exported. As long as somebody
    holds it, it works on; `breaker()` returns that same object, and both that
    and its use bring it back with its counters. If nobody does, it is gone, and
    the next of that name counts from zero.

    Idleness is noticed when snapshots are taken, as for each scrape, and when
    breakers are made.

    Args:
        max_breakers: How many breakers there may be; more only while none can be evicted.
        idle_seconds: For how long a breaker stays unused.
        clock: A monotonic clock, seconds.

    Raises:
        TypeError, ValueError: If a limit is no whole number of at least 1, or no seconds.
    """

    def __init__(
        self,
        *,
        max_breakers: int | None = None,
        idle_seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__("breaker", BreakerSnapshot)
        self.pools: NamedCollection[PoolSnapshot] = NamedCollection("pool", PoolSnapshot)
        self.caches: NamedCollection[CacheSnapshot] = NamedCollection("cache", CacheSnapshot)
        if max_breakers is not None:
            max_breakers = NumberKind.COUNT.check("max_breakers", max_breakers)
        if idle_seconds is not None:
            idle_seconds = NumberKind.SECONDS.check("idle_seconds", idle_seconds)
        self._max_breakers = max_breakers
        self._idle_seconds = idle_seconds
        self._evicts = max_breakers is not None or idle_seconds is not None
        self._clock = clock
        self._looked_at = clock()  # when idleness was last looked for
        # The breakers that may be evicted, the least recently used first.
        self._uses: dict[str, _Use] = {}
        # The evicted breakers that somebody holds.
        self._held: WeakValueDictionary[str, CircuitBreaker] = WeakValueDictionary()
        self._held_uses: WeakKeyDictionary[CircuitBreaker, _Use] = WeakKeyDictionary()
        self._held_looked_at = clock()
        self._warned: set[str] = set()  # names that were asked for with other settings

    def breaker(self, name: str, **settings: Unpack[SettingsKwargs]) -> CircuitBreaker:
        """Return the breaker of that name, or make it with these settings.

        An existing breaker keeps its settings; if others are given, that is
        logged, once for each name.

        Raises:
            TypeError: If that name belongs to an external breaker.
            TypeError, ValueError: If a setting is invalid, or the name cannot be exported.
        """
        if type(name) is not str:
            name = check_name(name)
        found = self._find_used(name) if self._evicts else self.get(name)
        if found is None:
            made = CircuitBreaker(name, **settings)
            found = self.get_or_add(name, lambda _: made)
            if found is made:
                if self._evicts:
                    self._track(made)
                return made
        breaker = _own(found)
        if settings and name not in self._warned:
            self._compare(breaker, settings)
        return breaker

    def find(self, name: str) -> CircuitBreaker:
        """Return the breaker of that name, to command or to configure it.

        Raises:
            LookupError: If there is none.
            TypeError: If that name belongs to an external breaker.
        """
        found = self.get(name)
        if found is None:
            raise LookupError(f"there is no breaker called {name!r}")
        return _own(found)

    def remove(self, name: str) -> None:
        """Remove the breaker of that name, if there is one, evicted or not."""
        with self._lock:
            self._by_name.pop(name, None)
            self._uses.pop(name, None)
            self._held.pop(name, None)
            self._warned.discard(name)

    def snapshots(self) -> tuple[BreakerSnapshot, ...]:
        """Return a snapshot of each breaker, taken one after the other, and evict those idle.

        A breaker that raises, or returns what is no snapshot of it, is left
        out; that is logged once.
        """
        if not self._evicts:
            return super().snapshots()
        now = self._looked_at = self._clock()
        self._take_back_used(now)
        read = self._read()
        evicted = {
            snapshot.name for member, snapshot in read if self._evict_if_idle(member, snapshot, now)
        }
        return tuple(snapshot for _, snapshot in read if snapshot.name not in evicted)

    def _compare(self, found: CircuitBreaker, settings: SettingsKwargs) -> None:
        """Log which of the settings are not those of the breaker."""
        present = found.settings
        if all(getattr(present, field, None) == value for field, value in settings.items()):
            return
        wanted = BreakerSettings(**settings)
        differing = [
            f"{field} is {getattr(present, field)!r}, not {getattr(wanted, field)!r}"
            for field in settings
            if getattr(present, field) != getattr(wanted, field)
        ]
        with self._lock:
            if not differing or found.name in self._warned:
                return
            self._warned.add(found.name)
        _logger.warning(
            "the breaker %r exists and keeps its settings: %s", found.name, "; ".join(differing)
        )

    # Eviction. A breaker's snapshot is never taken under the lock: it calls listeners.

    def _track(self, made: CircuitBreaker) -> None:
        """Remember that a breaker was made, and evict others if there are too many."""
        now = self._clock()
        with self._lock:
            if self._by_name.get(made.name) is made:
                self._uses[made.name] = _Use(made.settings, now)
        if self._idle_seconds is not None and now - self._looked_at >= self._idle_seconds / 2:
            self.snapshots()  # nobody else may take them
        self._make_room(made.name)

    def _find_used(self, name: str) -> Registered[BreakerSnapshot] | None:
        """Return the breaker of that name, used now; take it back if it was evicted."""
        with self._lock:
            found = self._by_name.get(name)
            held = self._held.get(name) if found is None else None
            if held is not None:
                self._take_back(held)
            use = self._uses.pop(name, None)
            if use is not None:
                use.at = self._clock()
                self._uses[name] = use
        if held is not None:
            self._make_room(name)
        return found or held

    def _evict_if_idle(
        self, member: Registered[BreakerSnapshot], snapshot: BreakerSnapshot, now: float
    ) -> bool:
        use = self._uses.get(snapshot.name)
        if use is None or self._note_use(use, snapshot, now) or self._idle_seconds is None:
            return False
        return now - use.at >= self._idle_seconds and self._evict(member, use, snapshot)

    def _make_room(self, newest: str) -> None:
        """Evict the least recently used breakers while there are too many.

        Calls need not look the breaker up, so one that was called since it was
        last looked at gets a second chance.
        """
        for second_chance in (True, False):
            with self._lock:
                uses = list(self._uses.items())
            for name, use in uses:
                if self._max_breakers is None or len(self) <= self._max_breakers:
                    return
                member = self.get(name)
                if member is None or name == newest:
                    continue
                try:
                    snapshot = member.snapshot()
                except Exception:
                    _logger.debug("the breaker %r cannot be read", name, exc_info=True)
                    continue
                used = self._note_use(use, snapshot, self._clock())
                if not (used and second_chance):
                    self._evict(member, use, snapshot)

    def _note_use(self, use: _Use, snapshot: BreakerSnapshot, now: float) -> bool:
        """Return whether a breaker was called since it was last looked at."""
        if use.calls == snapshot.calls.total and not snapshot.in_flight:
            return False
        use.calls = snapshot.calls.total
        use.at = now
        with self._lock:
            if self._uses.get(snapshot.name) is use:  # move it to the end
                self._uses[snapshot.name] = self._uses.pop(snapshot.name)
        return True

    def _evict(
        self, member: Registered[BreakerSnapshot], use: _Use, snapshot: BreakerSnapshot
    ) -> bool:
        """Evict a breaker if nothing would be lost; return whether it was."""
        breaker, name = cast("CircuitBreaker", member), snapshot.name
        needed = (
            snapshot.state is not State.CLOSED
            or snapshot.mode is not Mode.AUTOMATIC
            or snapshot.in_flight
            or breaker.settings is not use.settings
        )
        if needed:
            return False
        with self._lock:
            if self._uses.get(name) is not use or self._by_name.get(name) is not member:
                return False
            # In this order, so that an interrupt between two lines loses nothing.
            self._held_uses[breaker] = use
            self._held[name] = breaker
            del self._by_name[name], self._uses[name]
            self._warned.discard(name)
        return True

    def _take_back_used(self, now: float) -> None:
        """Take those evicted breakers back that were called since."""
        if now - self._held_looked_at < _HELD_INTERVAL:
            return
        self._held_looked_at = now
        with self._lock:
            held = list(self._held.values())
        for breaker in held:
            snapshot = breaker.snapshot()
            use = self._held_uses.get(breaker)
            if use is None or not self._note_use(use, snapshot, now):
                continue
            with self._lock:
                if self._held.get(breaker.name) is breaker:
                    self._take_back(breaker)
            self._make_room(breaker.name)

    def _take_back(self, breaker: CircuitBreaker) -> None:
        """Register an evicted breaker again; the caller holds the lock."""
        if self._by_name.setdefault(breaker.name, breaker) is breaker:
            self._uses[breaker.name] = self._held_uses[breaker]
        self._held.pop(breaker.name, None)


@dataclass(slots=True)
class _Use:
    """When a breaker was last seen to be used."""

    settings: BreakerSettings
    """The settings it was made with."""
    at: float
    calls: int = 0
    """How many calls there had been then."""


def _own(found: Registered[BreakerSnapshot]) -> CircuitBreaker:
    if not isinstance(found, CircuitBreaker):
        raise TypeError(f"the breaker {found.name!r} is only reported, not decided here")
    return found


REGISTRY = Registry()
"""The default registry, which evicts nothing."""
