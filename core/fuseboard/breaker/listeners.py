"""Whoever wants to hear of a breaker's transitions, calls and rejections."""

from __future__ import annotations

import inspect
import logging
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fuseboard.breaker.breaker import CircuitBreaker

Listener = Callable[["CircuitBreaker", Any], None]

_logger = logging.getLogger(__name__)


class Channel:
    """The listeners to one kind of event."""

    __slots__ = ("_lock", "listeners")

    def __init__(self, lock: AbstractContextManager[object]) -> None:
        self._lock = lock
        self.listeners: tuple[Listener, ...] = ()

    def add(self, listener: Listener) -> Callable[[], None]:
        """Add a listener; returns what takes it off again.

        Raises:
            TypeError: If it is a coroutine function, which nobody would await.
        """
        if not callable(listener):
            raise TypeError(f"a listener must be callable, not {listener!r}")
        if inspect.iscoroutinefunction(listener) or inspect.iscoroutinefunction(
            getattr(listener, "__call__", None)  # noqa: B004 (its kind is asked, not whether)
        ):
            raise TypeError(f"nobody would await the listener {listener!r}: it must not be async")
        added = True
        with self._lock:
            self.listeners = (*self.listeners, listener)

        def take_off() -> None:
            nonlocal added
            with self._lock:
                if added:
                    kept = list(self.listeners)
                    kept.remove(listener)
                    self.listeners = tuple(kept)
                added = False

        return take_off


class EventQueue:
    """Events on their way to listeners.

    They are put here under the breaker's lock and told after it is released:
    in their order, by one thread at a time. An `Exception` that a listener
    raises is logged and goes no further.
    """

    __slots__ = ("_busy", "_lock", "calls", "rejections", "transitions", "waiting")

    def __init__(self, lock: AbstractContextManager[object]) -> None:
        self._lock = lock
        self._busy = False
        self.transitions = Channel(lock)
        self.calls = Channel(lock)
        self.rejections = Channel(lock)
        self.waiting: deque[tuple[Channel, Any]] = deque()

    def put(self, channel: Channel, event: object) -> None:
        """Have an event told, unless nobody listens; the lock must be held."""
        if channel.listeners:
            self.waiting.append((channel, event))

    def tell(self, breaker: CircuitBreaker) -> None:
        """Tell the listeners what is waiting; takes the lock, and holds it during no call."""
        while self.waiting:
            with self._lock:
                if self._busy:
                    return
                self._busy = True
                # A collection of garbage may have had the last one told just now.
                channel, event = self.waiting.popleft() if self.waiting else (None, None)
            try:
                for listener in channel.listeners if channel else ():
                    try:
                        listener(breaker, event)
                    except Exception:
                        _logger.exception("a listener to %r failed: %r", breaker.name, listener)
            finally:
                self._busy = False
