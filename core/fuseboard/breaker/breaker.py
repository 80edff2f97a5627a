"""The circuit breaker: the ways to call through it, to watch it and to command it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from types import CodeType
from typing import Any, ParamSpec, TypeVar, Unpack, overload

from fuseboard.breaker.callable_kind import (
    DEFERRED_FLAGS,
    CallableKind,
    detect_callable_kind,
)
from fuseboard.breaker.core import BreakerCore
from fuseboard.breaker.errors import CircuitOpenError
from fuseboard.breaker.fallback import Fallback, with_fallback
from fuseboard.breaker.guards import guard_callable
from fuseboard.breaker.listeners import Unsubscribe
from fuseboard.breaker.permit import Permit
from fuseboard.breaker.records import Call, Transition
from fuseboard.breaker.settings import SettingsKwargs
from fuseboard.breaker.state import Mode, State

P = ParamSpec("P")
R = TypeVar("R")

_PLAIN = CallableKind.PLAIN  # until Python 3.12 reading an enum's member is slow
_NO_FALLBACK: Any = object()


class CircuitBreaker(BreakerCore):
    """A breaker that stops calling a service that keeps failing, and tries again later.

    One breaker serves synchronous and asynchronous callers together. Every
    method is thread-safe. No lock is held while a call, a listener or a
    predicate runs.

    Args:
        name: The guarded service; its name in metrics, errors and on the screen.
        history_size: How many transitions are remembered.
        duration_buckets: Upper bounds of the duration histogram in seconds, ascending.
        clock: A monotonic clock, seconds.
        wall_clock: Unix seconds, for times shown to people.
        draw: A source of random numbers from 0 to 1, for the jitter of the recovery timeout.
        settings: The fields of `BreakerSettings`.

    Raises:
        TypeError, ValueError: If a setting is invalid.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<CircuitBreaker {self.name!r} {self.state.name}>"

    # Calling through it

    def call(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call `function` through the breaker and return what it returns.

        An exception is classified by the settings and re-raised unchanged. A
        coroutine or generator that `function` returns is the call: it is
        admitted when it first runs, and judged when it ends.

        Raises:
            CircuitOpenError: If the breaker does not admit the call.
        """
        code = getattr(function, "__code__", None)
        kind = _PLAIN
        if type(code) is not CodeType or code.co_flags & DEFERRED_FLAGS:
            kind = detect_callable_kind(function)
        return guard_callable(self, function, kind)(*args, **kwargs)

    @overload
    def guard(self, function: Callable[P, R], /) -> Callable[P, R]: ...

    @overload
    def guard(
        self, /, *, fallback: object, on_failure: bool = False
    ) -> Callable[[Callable[P, R]], Callable[P, R]]: ...

    def guard(
        self,
        function: Callable[..., Any] | None = None,
        /,
        *,
        fallback: object = _NO_FALLBACK,
        on_failure: bool = False,
    ) -> Callable[..., Any]:
        """Decorate a function so that each of its calls goes through the breaker, as in `call()`.

        Functions, coroutine functions, generator functions and asynchronous
        generator functions keep their kind and signature.

        Args:
            function: The function to guard.
            fallback: What a rejected call returns instead of raising: a value,
                or a callable that gets the arguments of the call and returns
                the value; within it `sys.exception()` is the rejection. For a
                generator it is an iterable, and nothing can be sent into it.
                For a plain function that returns a coroutine it must be a
                coroutine function, because a rejection precedes the result.
            on_failure: Whether the fallback replaces failures, too; those of a
                generator only before its first item.

        Raises:
            TypeError: If `function` is not callable.
        """
        if function is None:
            return partial(self._decorate, fallback=fallback, on_failure=on_failure)
        return self._decorate(function, fallback=fallback, on_failure=on_failure)

    def _decorate(
        self, function: Callable[..., Any], *, fallback: object, on_failure: bool
    ) -> Callable[..., Any]:
        if isinstance(function, staticmethod | classmethod):  # in whichever order they decorate
            inner = self._decorate(function.__func__, fallback=fallback, on_failure=on_failure)
            return type(function)(inner)
        if not callable(function):
            raise TypeError(f"guard() decorates what can be called, not {function!r}")
        kind = detect_callable_kind(function)
        guarded = guard_callable(self, function, kind)
        if fallback is not _NO_FALLBACK:
            guarded = with_fallback(guarded, kind, Fallback(self, fallback, on_failure=on_failure))
        return wraps(function)(guarded)

    def acquire(self) -> Permit:
        """Admit one call and return its permit, which the caller must settle.

        A permit is a context manager, too: `with breaker.acquire():`.

        Raises:
            CircuitOpenError: If the breaker does not admit the call.
        """
        return Permit(self)

    # Watching it

    @property
    def history(self) -> tuple[Transition, ...]:
        """The latest transitions, oldest first."""
        return self.snapshot().history

    def on_transition(self, listener: Callable[[CircuitBreaker, Transition], None]) -> Unsubscribe:
        """Register a listener to transitions; return a function that unsubscribes it.

        Listeners are called in the order of the events, outside the lock, on a
        thread that caused or found an event. One thread at a time calls them
        for the events of all, so a listener must be quick: while events come
        faster than it returns, that thread does nothing else. An `Exception`
        it raises is logged and has no other effect.

        Raises:
            TypeError: If the listener is a coroutine function, which would not be awaited.
        """
        return self._events.transitions.add(listener)

    def on_call(self, listener: Callable[[CircuitBreaker, Call], None]) -> Unsubscribe:
        """Register a listener to settled calls; otherwise like `on_transition()`.

        While one is registered, each call costs a few hundred nanoseconds more.
        """
        unsubscribe = self._events.calls.add(listener)
        self._refresh()

        def unsubscribe_and_refresh() -> None:
            unsubscribe()
            self._refresh()

        return unsubscribe_and_refresh

    def on_rejection(
        self, listener: Callable[[CircuitBreaker, CircuitOpenError], None]
    ) -> Unsubscribe:
        """Register a listener to rejected calls; otherwise like `on_transition()`."""
        return self._events.rejections.add(listener)

    # Commanding it

    def trip(self) -> None:
        """Open the breaker once; it recovers as usual."""
        self._transition_to(State.OPEN, "tripped by hand")

    def force_open(self) -> None:
        """Reject every call until `reset()`."""
        self._transition_to(State.OPEN, "forced open by hand", Mode.FORCED_OPEN)

    def disable(self) -> None:
        """Admit and count every call until `reset()`."""
        self._transition_to(State.CLOSED, "disabled by hand", Mode.DISABLED)

    def only_measure(self) -> None:
        """Admit every call until `reset()`; the history records when it would have opened."""
        self._transition_to(State.CLOSED, "set to measure only by hand", Mode.METRICS_ONLY)

    def reset(self) -> None:
        """Close the breaker and discard the failures so far; the counters keep their values."""
        self._transition_to(State.CLOSED, "reset by hand")

    def configure(self, **settings: Unpack[SettingsKwargs]) -> None:
        """Change some settings; the others keep their values.

        A new trip policy starts counting from zero, except for consecutive
        failures, which are counted under every policy. A current opening keeps
        its length.

        Raises:
            TypeError, ValueError: If a setting is invalid; then nothing changes.
        """
        self._configure(**settings)
