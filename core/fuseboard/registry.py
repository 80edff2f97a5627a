"""Breakers found by name."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Protocol, Unpack

from fuseboard.breaker import CircuitBreaker
from fuseboard.settings import SettingsGiven
from fuseboard.snapshot import BreakerSnapshot


class Watchable(Protocol):
    """Anything a registry can hold: a breaker of ours, or one that is only reported."""

    @property
    def name(self) -> str:
        """The name it is found by."""
        ...

    def snapshot(self) -> BreakerSnapshot:
        """Take a picture of it; must not block."""
        ...


class Registry:
    """Holds breakers by name, in the order in which they were added.

    Every method may be called from any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._breakers: dict[str, Watchable] = {}

    def add(self, breaker: Watchable) -> None:
        """Add a breaker.

        Raises:
            ValueError: If another of that name is there already.
        """
        with self._lock:
            if self._breakers.setdefault(breaker.name, breaker) is not breaker:
                raise ValueError(f"there is a breaker called {breaker.name!r} already")

    def remove(self, name: str) -> None:
        """Take a breaker out; one that is not there is no error."""
        with self._lock:
            self._breakers.pop(name, None)

    def get(self, name: str) -> Watchable | None:
        """Find a breaker by name."""
        with self._lock:
            return self._breakers.get(name)

    def get_or_add(self, name: str, make: Callable[[str], Watchable]) -> Watchable:
        """Find a breaker by name, or add what `make` makes of that name."""
        found = self.get(name)
        if found is None:
            # Made outside the lock, because it is the caller's code; one of two racers wins.
            made = make(name)
            with self._lock:
                found = self._breakers.setdefault(name, made)
        return found

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

    def __iter__(self) -> Iterator[Watchable]:
        with self._lock:
            return iter(tuple(self._breakers.values()))

    def __len__(self) -> int:
        return len(self._breakers)

    def names(self) -> tuple[str, ...]:
        """List the names of all breakers."""
        with self._lock:
            return tuple(self._breakers)

    def snapshots(self) -> tuple[BreakerSnapshot, ...]:
        """Take a picture of every breaker, one after the other."""
        return tuple(breaker.snapshot() for breaker in self)


def _decided_here(found: Watchable) -> CircuitBreaker:
    if not isinstance(found, CircuitBreaker):
        raise TypeError(f"the breaker {found.name!r} is only reported, not decided here")
    return found


REGISTRY = Registry()
"""The registry that is used where none is named."""
