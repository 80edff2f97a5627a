"""Listeners to events, and the queue from which they are notified."""

from __future__ import annotations

import inspect
import logging
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Generic, TypeAlias, TypeVar

from fuseboard.breaker.errors import CircuitOpenError
from fuseboard.breaker.records import Call, Transition

Subject = TypeVar("Subject")
Event = TypeVar("Event")

Listener: TypeAlias = Callable[[Subject, Event], None]
"""Called with the subject, which the event happened to, and the event."""
Unsubscribe: TypeAlias = Callable[[], None]
"""Removes a listener; further calls do nothing."""

_logger = logging.getLogger(__name__)


class Channel(Generic[Subject, Event]):
    """The listeners to one kind of event. Thread-safe."""

    __slots__ = ("_lock", "listeners")

    def __init__(self, lock: AbstractContextManager[object]) -> None:
        self._lock = lock
        self.listeners: tuple[Listener[Subject, Event], ...] = ()

    def add(self, listener: Listener[Subject, Event]) -> Unsubscribe:
        """Register a listener; return a function that unsubscribes it.

        Raises:
            TypeError: If the listener is a coroutine function, which would not be awaited.
        """
        if not callable(listener):
            raise TypeError(f"a listener must be callable, not {listener!r}")
        if inspect.iscoroutinefunction(listener) or inspect.iscoroutinefunction(
            getattr(listener, "__call__", None)  # noqa: B004 (its kind matters, not its presence)
        ):
            raise TypeError(f"nobody would await the listener {listener!r}: it must not be async")
        added = True
        with self._lock:
            self.listeners = (*self.listeners, listener)

        def unsubscribe() -> None:
            nonlocal added
            with self._lock:
                if added:
                    remaining = list(self.listeners)
                    remaining.remove(listener)
                    self.listeners = tuple(remaining)
                added = False

        return unsubscribe


class EventQueue(Generic[Subject]):
    """Events waiting to be delivered to listeners.

    Events are put here while the subject's lock is held, and delivered after
    its release: in order, by one thread at a time. An `Exception` that a
    listener raises is logged and has no other effect.

    Args:
        name: The subject's name, for the log.
        lock: The subject's lock, re-entrant.
    """

    __slots__ = ("_busy", "_lock", "_name", "calls", "rejections", "transitions", "waiting")

    def __init__(self, name: str, lock: AbstractContextManager[object]) -> None:
        self._name = name
        self._lock = lock
        self._busy = False
        self.transitions: Channel[Subject, Transition] = Channel(lock)
        self.calls: Channel[Subject, Call] = Channel(lock)
        self.rejections: Channel[Subject, CircuitOpenError] = Channel(lock)
        self.waiting: deque[tuple[Channel[Subject, Any], Any]] = deque()

    def put(self, channel: Channel[Subject, Event], event: Event) -> None:
        """Queue an event, unless its channel has no listeners; the lock must be held."""
        if channel.listeners:
            self.waiting.append((channel, event))

    def deliver(self, subject: Subject) -> None:
        """Call the listeners for all waiting events; the lock must not be held.

        While another thread delivers, it delivers these events, too.
        """
        while self.waiting:
            with self._lock:
                if self._busy:
                    return
                self._busy = True
                # A garbage collection may have delivered the last one just now.
                channel, event = self.waiting.popleft() if self.waiting else (None, None)
            try:
                for listener in channel.listeners if channel else ():
                    try:
                        listener(subject, event)
                    except Exception:
                        _logger.exception("a listener to %r failed: %r", self._name, listener)
            finally:
                self._busy = False
