"""Listeners to events, and the queue from which they are notified."""

from __future__ import annotations

import inspect
import logging
from collections import deque
from collections.abc import Callable, Iterable
from threading import get_ident
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
    """The listeners to one kind of event. Thread-safe: each change is a single step of a list."""

    __slots__ = ("listeners",)

    def __init__(self) -> None:
        self.listeners: list[Listener[Subject, Event]] = []

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
        registered = [listener]
        self.listeners.append(listener)

        def unsubscribe() -> None:
            if registered:
                self.listeners.remove(registered.pop())

        return unsubscribe


class _Delivery:
    """An event on its way to the listeners that it had when it happened."""

    __slots__ = ("event", "listeners")

    def __init__(self, event: object, listeners: Iterable[Listener[Any, Any]]) -> None:
        self.event = event
        self.listeners = iter(tuple(listeners))


class EventQueue(Generic[Subject]):
    """Events waiting to be delivered to listeners.

    Events are put here in their order, and delivered while no lock is held: in
    that order, by one thread at a time. An `Exception` that a listener raises
    is logged and has no other effect. An interrupt, such as
    `KeyboardInterrupt`, ends the delivery; the next one goes on where it ended.

    Args:
        name: The subject's name, for the log.
    """

    __slots__ = ("_deliverers", "_name", "calls", "rejections", "transitions", "waiting")

    def __init__(self, name: str) -> None:
        self._name = name
        # The thread that delivers: one entry, made by a single step that nobody can interrupt.
        self._deliverers: dict[str, tuple[int]] = {}
        self.transitions: Channel[Subject, Transition] = Channel()
        self.calls: Channel[Subject, Call] = Channel()
        self.rejections: Channel[Subject, CircuitOpenError] = Channel()
        self.waiting: deque[_Delivery] = deque()

    def put(self, channel: Channel[Subject, Event], event: Event) -> None:
        """Queue an event, unless its channel has no listeners."""
        if channel.listeners:
            self.waiting.append(_Delivery(event, channel.listeners))

    def delivers_here(self) -> bool:
        """Return whether a listener is being called on this thread."""
        deliverer = self._deliverers.get("")
        return deliverer is not None and deliverer[0] == get_ident()

    def deliver(self, subject: Subject) -> None:
        """Call the listeners for all waiting events; no lock may be held.

        While another thread delivers, it delivers these events, too.
        """
        me = (get_ident(),)  # told from an earlier delivery of this thread by its identity
        while self.waiting:
            try:
                if self._deliverers.setdefault("", me) is not me:
                    return
                while self.waiting:
                    delivery = self.waiting[0]
                    for listener in delivery.listeners:
                        try:
                            listener(subject, delivery.event)
                        except Exception:
                            _logger.exception("a listener to %r failed: %r", self._name, listener)
                    self.waiting.popleft()
            finally:  # nothing is called here, so that nothing can interrupt it
                if "" in self._deliverers and self._deliverers[""] is me:
                    del self._deliverers[""]

    def forget(self) -> None:
        """Drop what waits, and any delivery of another thread: they belong to the parent process.

        Called in a forked child.
        """
        if not self.delivers_here():
            self._deliverers.clear()
            self.waiting.clear()
