"""Breakers, pools and caches, registered by name."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar, Unpack

from fuseboard.breaker.breaker import CircuitBreaker
from fuseboard.breaker.settings import SettingsKwargs
from fuseboard.breaker.snapshot import BreakerSnapshot, CacheSnapshot, PoolSnapshot

SnapshotT = TypeVar("SnapshotT", covariant=True)


class Registered(Protocol[SnapshotT]):
    """An object that can be registered: it has a name and returns snapshots of itself."""

    @property
    def name(self) -> str:
        """The name it is registered under."""
        ...

    def snapshot(self) -> SnapshotT:
        """Return a snapshot; must not block."""
        ...


class NamedCollection(Generic[SnapshotT]):
    """Objects of one kind by name, in the order in which they were added.

    Every method is thread-safe.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._lock = threading.Lock()
        self._by_name: dict[str, Registered[SnapshotT]] = {}

    def add(self, member: Registered[SnapshotT]) -> None:
        """Add an object.

        Raises:
            ValueError: If another object has that name.
        """
        with self._lock:
            if self._by_name.setdefault(member.name, member) is not member:
                raise ValueError(f"there is a {self._kind} called {member.name!r} already")

    def remove(self, name: str) -> None:
        """Remove the object of that name, if there is one."""
        with self._lock:
            self._by_name.pop(name, None)

    def get(self, name: str) -> Registered[SnapshotT] | None:
        """Return the object of that name, or `None`."""
        with self._lock:
            return self._by_name.get(name)

    def get_or_add(
        self, name: str, make: Callable[[str], Registered[SnapshotT]]
    ) -> Registered[SnapshotT]:
        """Return the object of that name; if there is none, add `make(name)` and return it."""
        found = self.get(name)
        if found is None:
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
        """Return a snapshot of each object, taken one after the other."""
        return tuple(member.snapshot() for member in self)


class Registry(NamedCollection[BreakerSnapshot]):
    """The breakers of a program, and the pools and caches that are displayed with them."""

    def __init__(self) -> None:
        super().__init__("breaker")
        self.pools: NamedCollection[PoolSnapshot] = NamedCollection("pool")
        self.caches: NamedCollection[CacheSnapshot] = NamedCollection("cache")

    def breaker(self, name: str, **settings: Unpack[SettingsKwargs]) -> CircuitBreaker:
        """Return the breaker of that name, or make it with these settings.

        An existing breaker keeps its settings.

        Raises:
            TypeError: If that name belongs to an external breaker.
            TypeError, ValueError: If a setting is invalid.
        """
        return _own(self.get_or_add(name, lambda name: CircuitBreaker(name, **settings)))

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


def _own(found: Registered[BreakerSnapshot]) -> CircuitBreaker:
    if not isinstance(found, CircuitBreaker):
        raise TypeError(f"the breaker {found.name!r} is only reported, not decided here")
    return found


REGISTRY = Registry()
"""The default registry."""
