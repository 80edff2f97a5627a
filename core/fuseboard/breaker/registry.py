"""What is watched, found by name: breakers, and the pools and caches around them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar, Unpack

from fuseboard.breaker.breaker import CircuitBreaker
from fuseboard.breaker.settings import SettingsGiven
from fuseboard.breaker.snapshot import BreakerSnapshot, CacheSnapshot, PoolSnapshot

SnapshotT = TypeVar("SnapshotT", covariant=True)


class Watchable(Protocol[SnapshotT]):
    """Anything that has a name and can be pictured; a breaker, ours or one only reported."""

    @property
    def name(self) -> str:
        """The name it is found by."""
        ...

    def snapshot(self) -> SnapshotT:
        """Take a picture of it; must not block."""
        ...


class Watched(Generic[SnapshotT]):
    """Things of one kind by name, in the order in which they were added.

    Every method may be called from any thread.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._lock = threading.Lock()
        self._by_name: dict[str, Watchable[SnapshotT]] = {}

    def add(self, thing: Watchable[SnapshotT]) -> None:
        """Add a thing.

        Raises:
            ValueError: If another of that name is there already.
        """
        with self._lock:
            if self._by_name.setdefault(thing.name, thing) is not thing:
                raise ValueError(f"there is a {self._kind} called {thing.name!r} already")

    def remove(self, name: str) -> None:
        """Take a thing out; one that is not there is no error."""
        with self._lock:
            self._by_name.pop(name, None)

    def get(self, name: str) -> Watchable[SnapshotT] | None:
        """Find a thing by name."""
        with self._lock:
            return self._by_name.get(name)

    def get_or_add(
        self, name: str, make: Callable[[str], Watchable[SnapshotT]]
    ) -> Watchable[SnapshotT]:
        """Find a thing by name, or add what `make` makes of that name."""
        found = self.get(name)
        if found is None:
            # Made outside the lock, because it is the caller's code; one of two racers wins.
            made = make(name)
            with self._lock:
                found = self._by_name.setdefault(name, made)
        return found

    def __iter__(self) -> Iterator[Watchable[SnapshotT]]:
        with self._lock:
            return iter(tuple(self._by_name.values()))

    def __len__(self) -> int:
        return len(self._by_name)

    def names(self) -> tuple[str, ...]:
        """List the names of all."""
        with self._lock:
            return tuple(self._by_name)

    def snapshots(self) -> tuple[SnapshotT, ...]:
        """Take a picture of each, one after the other."""
        return tuple(thing.snapshot() for thing in self)


class Registry(Watched[BreakerSnapshot]):
    """Holds breakers, and beside them the pools and caches that are watched with them."""

    def __init__(self) -> None:
        super().__init__("breaker")
        self.pools: Watched[PoolSnapshot] = Watched("pool")
        self.caches: Watched[CacheSnapshot] = Watched("cache")

    def breaker(self, name: str, **settings: Unpack[SettingsGiven]) -> CircuitBreaker:
        """Find the breaker of that name, or make it with these settings.

        One that is there keeps the settings it has.

        Raises:
            TypeError: If what has that name is not decided here, only reported.
            TypeError, ValueError: If a setting makes no sense.
        """
        return _decided_here(self.get_or_add(name, lambda name: CircuitBreaker(name, **settings)))

    def find(self, name: str) -> CircuitBreaker:
        """Find the breaker of that name, to command or to configure it.

        Raises:
            LookupError: If there is none.
            TypeError: If what has that name is not decided here, only reported.
        """
        found = self.get(name)
        if found is None:
            raise LookupError(f"there is no breaker called {name!r}")
        return _decided_here(found)


def _decided_here(found: Watchable[BreakerSnapshot]) -> CircuitBreaker:
    if not isinstance(found, CircuitBreaker):
        raise TypeError(f"the breaker {found.name!r} is only reported, not decided here")
    return found


REGISTRY = Registry()
"""The registry that is used where none is named."""
