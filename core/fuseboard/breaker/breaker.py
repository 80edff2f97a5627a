"""The circuit breaker: the ways to call through it, to watch it and to command it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from functools import partial, wraps
from math import isfinite
from types import AsyncGeneratorType, CodeType, GeneratorType
from typing import Any, ClassVar, ParamSpec, TypeVar, Unpack, cast, overload

from fuseboard.breaker.callable_kind import ENDS_LATER, ENDS_LATER_FLAGS, CallableKind, kind_of
from fuseboard.breaker.counters import BETWEEN_FOLDS, DURATION_BUCKETS
from fuseboard.breaker.errors import CircuitOpenError
from fuseboard.breaker.fallback import Fallback, with_fallback
from fuseboard.breaker.guards import guard_async_generator, guard_generator
from fuseboard.breaker.listeners import EventQueue
from fuseboard.breaker.outcome import Ruling, Verdict
from fuseboard.breaker.permit import Permit
from fuseboard.breaker.records import Call, Transition
from fuseboard.breaker.settings import BreakerSettings, SettingsGiven
from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard.breaker.state import Mode, State
from fuseboard.breaker.state_machine import StateMachine

P = ParamSpec("P")
R = TypeVar("R")

Unsubscribe = Callable[[], None]
"""Takes a listener off again."""

# Looked up once: until Python 3.12 reading an enum's member costs as much as the lock.
_SUCCESS, _FAILURE = Verdict.SUCCESS, Verdict.FAILURE
_GOOD = Ruling(_SUCCESS)
_PLAIN = CallableKind.PLAIN
_NO_FALLBACK: Any = object()


class CircuitBreaker:
    """Stops calling a service that keeps failing, and tries again later.

    One breaker serves synchronous and asynchronous callers together. Every
    method may be called from any thread. No lock is held while a call, a
    listener or a predicate runs.

    Args:
        name: What it guards; the name in metrics, errors and on the screen.
        history_size: How many transitions are remembered.
        duration_buckets: Upper bounds of the histogram of durations, seconds, ascending.
        clock: Seconds that only ever go forward.
        wall_clock: Unix seconds, for what is shown to people.
        draw: A random number, 0-1, for the jitter of the recovery timeout.
        settings: How it decides: the fields of `BreakerSettings`.

    Raises:
        TypeError, ValueError: If a setting makes no sense.
    """

    __slots__ = (
        "__weakref__",
        "_announcements",
        "_clock",
        "_keep",
        "_lock",
        "_machine",
        "_next_ticket",
        "name",
    )

    def __init__(
        self,
        name: str,
        *,
        history_size: int = 100,
        duration_buckets: Sequence[float] = DURATION_BUCKETS,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        draw: Callable[[], float] = random.random,
        **settings: Unpack[SettingsGiven],
    ) -> None:
        if not name:
            raise ValueError("a breaker needs a name")
        if history_size < 0:
            raise ValueError(f"history_size must not be negative, not {history_size}")
        if list(duration_buckets) != sorted(set(duration_buckets)):
            raise ValueError("duration_buckets must be ascending")
        if not all(map(isfinite, duration_buckets)):
            raise ValueError("duration_buckets must be finite: +Inf is added by itself")
        self.name = name
        self._clock = clock
        # Re-entrant, because garbage may be collected while it is held, and an abandoned
        # stream that is closed thereby settles its permit.
        self._lock = threading.RLock()
        self._announcements = EventQueue(self._lock)
        self._machine = StateMachine(
            name,
            BreakerSettings(**settings),
            self._announcements,
            clock=clock,
            wall_clock=wall_clock,
            draw=draw,
            history_size=history_size,
            duration_buckets=duration_buckets,
        )
        self._next_ticket = self._machine.series.next_ticket
        self._keep = self._machine.series.succeeded_after.append

    def __repr__(self) -> str:
        return f"<CircuitBreaker {self.name!r} {self.state.name}>"

    # Calling through it

    def call(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call `function` through the breaker and return what it returns.

        An exception is judged as the settings say, and raised on as it is. Of
        a coroutine function or a generator function the call begins and ends
        with what it returns: it is admitted at the first step, and judged at
        the last.

        Raises:
            CircuitOpenError: If the breaker does not admit the call.
        """
        code = getattr(function, "__code__", None)
        if type(code) is not CodeType or code.co_flags & ENDS_LATER_FLAGS:
            kind = kind_of(function)
            if kind is not _PLAIN:
                return self._guarded(function, kind)(*args, **kwargs)
        # The same way as in _guard_function(), which says why.
        machine = self._machine
        generation = machine.free_pass
        if generation is None:
            generation, started = self._admit()
        else:
            if not self._next_ticket() & BETWEEN_FOLDS:
                self._fold()
            started = self._clock()
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            self._record_error(error, generation, started)
            raise
        if type(result) in ENDS_LATER:
            return self._begin_later(result, generation, started)
        if generation == machine.uneventful:
            self._keep(self._clock() - started)
        else:
            self._record_result(result, generation, started)
        return result

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
        """Decorate a function so that every call of it goes through the breaker, as `call()` does.

        Functions, coroutine functions, generators and asynchronous generators
        stay what they are, with their signature.

        Args:
            function: What to guard.
            fallback: What is answered instead of a rejection: a value, or a
                callable that is given the arguments of the call and makes it;
                `sys.exception()` tells it what happened. Of a generator it is
                what is iterated instead, and nothing can be sent into it. For a
                plain function that returns a coroutine it must be a coroutine
                function: a rejection comes before anybody knows what it returns.
            on_failure: Whether the fallback also stands in for failures; of a
                generator, for those before its first item.

        Raises:
            TypeError: If `function` is not callable.
        """
        if function is None:
            return partial(self._decorate, fallback=fallback, on_failure=on_failure)
        return self._decorate(function, fallback=fallback, on_failure=on_failure)

    def acquire(self) -> Permit:
        """Admit one call and return its permit, which whoever calls must settle.

        It is a context manager, too: `with breaker.acquire():`.

        Raises:
            CircuitOpenError: If the breaker does not admit the call.
        """
        generation, started = self._admit()
        return Permit(self, generation, started)

    # Watching it

    @property
    def settings(self) -> BreakerSettings:
        """How it decides at present."""
        return self._machine.settings

    @property
    def state(self) -> State:
        """The state now; reading it lets the clock act first."""
        with self._lock:
            self._machine.advance(self._clock())
            state = self._machine.state
        self._announce()
        return state

    @property
    def history(self) -> tuple[Transition, ...]:
        """The latest transitions, oldest first."""
        return self.snapshot().history

    def snapshot(self) -> BreakerSnapshot:
        """Take a consistent picture of the breaker; reading it lets the clock act first."""
        with self._lock:
            picture = self._machine.snapshot(self._clock())
        self._announce()
        return picture

    def on_transition(self, listener: Callable[[CircuitBreaker, Transition], None]) -> Unsubscribe:
        """Have `listener` called after every transition; returns what takes it off again.

        Listeners hear in the order of the events, outside the lock, on
        whichever thread caused or found them. One thread tells them what all
        have caused, so they must be quick: as long as events come faster than
        they are told, that thread does nothing else. An `Exception` they raise
        is logged and goes no further.

        Raises:
            TypeError: If it is a coroutine function, which nobody would await.
        """
        return self._announcements.transitions.add(listener)

    def on_call(self, listener: Callable[[CircuitBreaker, Call], None]) -> Unsubscribe:
        """Have `listener` called after every settled call, as `on_transition()` does.

        While there is one, a call costs a few hundred nanoseconds more.
        """
        take_off = self._announcements.calls.add(listener)
        self._refresh()

        def take_off_and_refresh() -> None:
            take_off()
            self._refresh()

        return take_off_and_refresh

    def on_rejection(
        self, listener: Callable[[CircuitBreaker, CircuitOpenError], None]
    ) -> Unsubscribe:
        """Have `listener` called after every rejected call, as `on_transition()` does."""
        return self._announcements.rejections.add(listener)

    # Commanding it

    def trip(self) -> None:
        """Open it by hand, once; it recovers as usual."""
        self._transition_to(State.OPEN, "tripped by hand")

    def force_open(self) -> None:
        """Reject every call until `reset()`."""
        self._transition_to(State.OPEN, "forced open by hand", Mode.FORCED_OPEN)

    def disable(self) -> None:
        """Admit every call, and go on counting, until `reset()`."""
        self._transition_to(State.CLOSED, "disabled by hand", Mode.DISABLED)

    def only_measure(self) -> None:
        """Admit every call until `reset()`; the history says when it would have opened."""
        self._transition_to(State.CLOSED, "set to measure only by hand", Mode.METRICS_ONLY)

    def reset(self) -> None:
        """Close it and forget the failures so far; the counters go on."""
        self._transition_to(State.CLOSED, "reset by hand")

    def configure(self, **settings: Unpack[SettingsGiven]) -> None:
        """Change settings, the others staying as they are.

        A new trip policy starts counting afresh, apart from the failures in a
        row, which are counted in any case. An opening that is under way keeps
        its length.

        Raises:
            TypeError, ValueError: If a setting makes no sense; then nothing changes.
        """
        with self._lock:
            changed = replace(self._machine.settings, **settings)
            self._machine.configure(changed, self._clock())
        self._announce()

    def _transition_to(self, state: State, reason: str, mode: Mode = Mode.AUTOMATIC) -> None:
        with self._lock:
            self._machine.command(mode, state, reason, self._clock())
        self._announce()

    # Guarding functions of each kind

    def _decorate(
        self, function: Callable[..., Any], *, fallback: object, on_failure: bool
    ) -> Callable[..., Any]:
        if not callable(function):
            raise TypeError(f"guard() decorates what can be called, not {function!r}")
        kind = kind_of(function)
        guarded = self._guarded(function, kind)
        if fallback is not _NO_FALLBACK:
            behind = Fallback(self, fallback, on_failure=on_failure)
            guarded = with_fallback(guarded, kind, behind)
        return wraps(function)(guarded)

    def _guarded(self, function: Callable[P, R], kind: CallableKind) -> Callable[P, R]:
        guard = self._GUARDS[kind]
        return cast("Callable[P, R]", guard(self, function))

    def _guard_function(self, function: Callable[P, R]) -> Callable[P, R]:
        machine, clock = self._machine, self._clock
        next_ticket, keep = self._next_ticket, self._keep

        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            generation = machine.free_pass
            if generation is None:
                generation, started = self._admit()
            else:  # closed: without the lock, and without a call that could be spared
                if not next_ticket() & BETWEEN_FOLDS:
                    self._fold()
                started = clock()
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                self._record_error(error, generation, started)
                raise
            if type(result) in ENDS_LATER:
                return self._begin_later(result, generation, started)
            if generation == machine.uneventful:
                keep(clock() - started)
            else:
                self._record_result(result, generation, started)
            return result

        return guarded

    def _guard_coroutine(
        self, function: Callable[P, Coroutine[Any, Any, R]]
    ) -> Callable[P, Coroutine[Any, Any, R]]:
        machine, clock = self._machine, self._clock
        next_ticket, keep = self._next_ticket, self._keep

        async def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            generation = machine.free_pass
            if generation is None:
                generation, started = self._admit()
            else:
                if not next_ticket() & BETWEEN_FOLDS:
                    self._fold()
                started = clock()
            try:
                result = await function(*args, **kwargs)
            except BaseException as error:
                self._record_error(error, generation, started)
                raise
            if generation == machine.uneventful:
                keep(clock() - started)
            else:
                self._record_result(result, generation, started)
            return result

        return guarded

    def _begin_later(self, result: R, generation: int, started: float) -> R:
        """Guard what a plain function returned, though the call it stands for has only begun."""
        with self._lock:
            self._machine.withdraw(generation, started, self._clock())
        self._announce()
        begun: Any = result
        if isinstance(begun, GeneratorType):
            return cast("R", guard_generator(self, lambda: begun)())
        if isinstance(begun, AsyncGeneratorType):
            return cast("R", guard_async_generator(self, lambda: begun)())
        return cast("R", self._await_begun(begun))

    async def _await_begun(self, call: Coroutine[Any, Any, R]) -> R:
        try:
            return await self._guard_coroutine(lambda: call)()
        finally:
            call.close()  # it was never awaited if it was rejected

    # What takes the lock

    def _admit(self) -> tuple[int, float]:
        """Admit a call and return its generation and when it was admitted, or raise."""
        with self._lock:
            now = self._clock()
            rejection = self._machine.admit(now)
            generation = self._machine.generation
        if self._announcements.waiting:
            self._announcements.tell(self)
        if rejection is not None:
            try:
                raise rejection
            finally:
                del rejection  # or its traceback would keep it, and every frame above, alive
        return generation, now

    def _record_error(self, error: BaseException, generation: int, started: float) -> None:
        ruling = self._machine.settings.rules.on_error(error)
        if ruling.verdict is _FAILURE:
            self._record_failure(ruling, generation, started)
        else:
            self._record_ignored(ruling, generation, started)

    def _record_result(self, result: object, generation: int, started: float) -> None:
        ruling = self._machine.settings.rules.on_result(result)
        self._record(ruling or _GOOD, generation, started)

    def _record(
        self, ruling: Ruling, generation: int, started: float, first_item: float | None = None
    ) -> None:
        """Settle an admitted call as a ruling says."""
        if ruling.verdict is _FAILURE:
            self._record_failure(ruling, generation, started, first_item)
        elif ruling.verdict is _SUCCESS:
            self._record_success(generation, started, first_item)
        else:
            self._record_ignored(ruling, generation, started, first_item)

    def _record_success(
        self, generation: int, started: float, first_item: float | None = None
    ) -> None:
        with self._lock:
            self._machine.succeeded(generation, started, self._clock(), first_item)
        if self._announcements.waiting:
            self._announcements.tell(self)

    def _record_failure(
        self, ruling: Ruling, generation: int, started: float, first_item: float | None = None
    ) -> None:
        with self._lock:
            self._machine.failed(ruling, generation, started, self._clock(), first_item)
        if self._announcements.waiting:
            self._announcements.tell(self)

    def _record_ignored(
        self, ruling: Ruling, generation: int, started: float, first_item: float | None = None
    ) -> None:
        with self._lock:
            self._machine.ignored(ruling, generation, started, self._clock(), first_item)
        if self._announcements.waiting:
            self._announcements.tell(self)

    def _first_item_came(self, generation: int, started: float) -> float:
        """Return how long the first item of an admitted call's stream took."""
        now = self._clock()
        if self._machine.watches_calls:
            with self._lock:
                now = self._clock()
                self._machine.first_item_came(generation, started, now)
            self._announce()
        return now - started

    def _fold(self) -> None:
        with self._lock:
            self._machine.series.fold()

    def _refresh(self) -> None:
        with self._lock:
            self._machine.refresh()

    def _announce(self) -> None:
        if self._announcements.waiting:
            self._announcements.tell(self)

    _GUARDS: ClassVar[Mapping[CallableKind, Callable[[CircuitBreaker, Any], Any]]] = {
        CallableKind.PLAIN: _guard_function,
        CallableKind.COROUTINE: _guard_coroutine,
        CallableKind.GENERATOR: guard_generator,
        CallableKind.ASYNC_GENERATOR: guard_async_generator,
    }
