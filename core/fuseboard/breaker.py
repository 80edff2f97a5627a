"""The circuit breaker.

    CLOSED ── the trip policy says so ──────────────────► OPEN
    OPEN ── the recovery timeout is over ───────────────► HALF_OPEN
    HALF_OPEN ── enough probes succeeded ───────────────► CLOSED
    HALF_OPEN ── a probe failed, or never reported ─────► OPEN

Every transition starts a new generation. A call is admitted in one
generation; if it is settled in a later one, it is counted and moves nothing.

The lock guards numbers and is never held while a call or a listener runs.
"""

from __future__ import annotations

import inspect
import logging
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from math import inf
from types import CodeType, CoroutineType
from typing import Any, ParamSpec, TypeVar, cast

from fuseboard.errors import CircuitOpenError, RejectedBecause
from fuseboard.history import Failure, Transition, tally
from fuseboard.series import DurationHistogram, Series
from fuseboard.snapshot import BreakerSnapshot
from fuseboard.state import Mode, State
from fuseboard.trip_policy import ConsecutiveFailures, TripPolicy

P = ParamSpec("P")
R = TypeVar("R")

TransitionListener = Callable[["CircuitBreaker", Transition], None]

_logger = logging.getLogger(__name__)

_REMEMBERED_FAILURES = 20
_CLOSED = State.CLOSED  # looked up once: an enum's member costs as much as the lock
_ENDS_LATER = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


class CircuitBreaker:
    """Stops calling a service that keeps failing, and tries again later.

    One breaker serves synchronous and asynchronous callers together. Every
    method may be called from any thread.

    Args:
        name: What it guards; the name in metrics, errors and on the screen.
        trip: When to open; after five consecutive failures unless told otherwise.
        recovery_timeout: Seconds from opening to the first probe.
        max_probes: How many calls may be under way at once while half-open.
        successes_to_close: How many probes must succeed to close.
        probe_timeout: Seconds after which a probe that has not reported counts as failed.
        history_size: How many transitions are remembered.
        clock: Seconds that only ever go forward.
        wall_clock: Unix seconds, for what is shown to people.

    Raises:
        ValueError: If a setting makes no sense.
    """

    def __init__(
        self,
        name: str,
        *,
        trip: TripPolicy | None = None,
        recovery_timeout: float = 30.0,
        max_probes: int = 1,
        successes_to_close: int = 1,
        probe_timeout: float = 120.0,
        history_size: int = 100,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        if not name:
            raise ValueError("a breaker needs a name")
        _require_positive("recovery_timeout", recovery_timeout)
        _require_positive("probe_timeout", probe_timeout)
        _require_positive("max_probes", max_probes)
        _require_positive("successes_to_close", successes_to_close)
        self.name = name
        self._recovery_timeout = recovery_timeout
        self._max_probes = max_probes
        self._successes_to_close = successes_to_close
        self._probe_timeout = probe_timeout
        self._clock = clock
        self._wall_clock = wall_clock

        self._lock = threading.Lock()
        self._series = Series(changed_at=wall_clock())
        self._meter = (trip or ConsecutiveFailures(5)).meter(self._series)
        self._count_success = self._meter.success if self._meter.counts_successes else None
        self._state = State.CLOSED
        self._mode = Mode.AUTOMATIC
        self._why = "no trouble so far"
        self._changed = clock()
        self._generation = 0
        self._due = inf  # when time alone will cause the next transition
        self._probes: deque[float] = deque()  # when each probe under way was admitted
        self._probe_successes = 0
        self._failures: deque[Failure] = deque(maxlen=_REMEMBERED_FAILURES)
        self._history: deque[Transition] = deque(maxlen=history_size)
        self._history_copy: tuple[Transition, ...] | None = ()

        self._listeners: tuple[TransitionListener, ...] = ()
        self._announcements: deque[Transition] = deque()
        self._announcing = False

    def __repr__(self) -> str:
        return f"<CircuitBreaker {self.name!r} {self.state.name}>"

    # Calling through the breaker

    def call(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call `function` through the breaker and return what it returns.

        A coroutine function gives a coroutine to await; its verdict comes when
        it ends. An `Exception` counts as a failure and is raised on as it is;
        cancellation, `KeyboardInterrupt` and the like are ignored.

        Raises:
            CircuitOpenError: If the breaker does not admit the call.
            TypeError: If `function` makes a generator, which ends after this
                call returns; `acquire()` can guard that.
        """
        code = getattr(function, "__code__", None) or _code_behind(function)
        if code is not None and code.co_flags & _ENDS_LATER:
            return self._call_later_ending(function, *args, **kwargs)
        started = self._clock()
        generation = self._admit(started)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            self._record_error(error, generation, started)
            raise
        if type(result) is CoroutineType:
            return cast("R", self._await_result(cast("Any", result), generation, started))
        self._record_success(generation, started)
        return result

    def _call_later_ending(
        self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        code = getattr(function, "__code__", None) or _code_behind(function)
        if code is not None and code.co_flags & inspect.CO_COROUTINE:
            return cast("R", self._await_admitted(cast("Any", partial(function, *args, **kwargs))))
        raise TypeError(f"call() cannot judge the generator {function!r}: use acquire()")

    def acquire(self) -> Permit:
        """Admit one call and return its permit, which whoever calls must settle.

        Raises:
            CircuitOpenError: If the breaker does not admit the call.
        """
        started = self._clock()
        return Permit(self, self._admit(started), started)

    async def _await_admitted(self, function: Callable[[], Awaitable[R]]) -> R:
        started = self._clock()
        generation = self._admit(started)
        return await self._await_result(function(), generation, started)

    async def _await_result(self, result: Awaitable[R], generation: int, started: float) -> R:
        try:
            value = await result
        except BaseException as error:
            self._record_error(error, generation, started)
            raise
        self._record_success(generation, started)
        return value

    # Watching it

    @property
    def state(self) -> State:
        """The state now; reading it lets the clock act first."""
        with self._lock:
            self._advance(self._clock())
            state = self._state
        self._announce()
        return state

    @property
    def history(self) -> tuple[Transition, ...]:
        """The latest transitions, oldest first."""
        return self.snapshot().history

    def snapshot(self) -> BreakerSnapshot:
        """Take a consistent picture of the breaker; reading it lets the clock act first."""
        with self._lock:
            now = self._clock()
            self._advance(now)
            series = self._series
            if self._history_copy is None:
                self._history_copy = tuple(self._history)
            seconds_in_state = now - self._changed
            state_seconds = series.state_seconds.copy()
            state_seconds[self._state] += seconds_in_state
            picture = BreakerSnapshot(
                name=self.name,
                state=self._state,
                mode=self._mode,
                why=self._why,
                changed_at=series.changed_at,
                seconds_in_state=seconds_in_state,
                retry_after=self._until_recovery(now),
                recovery_timeout=self._recovery_timeout,
                calls=series.calls(),
                late=series.late,
                in_flight=series.in_flight,
                probes=len(self._probes),
                consecutive_failures=series.consecutive_failures,
                gauges=self._meter.gauges(),
                history=self._history_copy,
                transitions=series.transitions.copy(),
                state_seconds=state_seconds,
                durations=series.durations(),
            )
        self._announce()
        return picture

    def on_transition(self, listener: TransitionListener) -> Callable[[], None]:
        """Have `listener` called after every transition; returns what takes it off again.

        Listeners run in the order of the transitions, outside the lock, on
        whichever thread found the transition due. An `Exception` they raise is
        logged and goes no further.
        """
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def take_off() -> None:
            with self._lock:
                self._listeners = tuple(kept for kept in self._listeners if kept is not listener)

        return take_off

    # Manual control

    def trip(self) -> None:
        """Open it by hand, once; it recovers as usual."""
        self._command(Mode.AUTOMATIC, State.OPEN, "tripped by hand")

    def force_open(self) -> None:
        """Reject every call until `reset()`."""
        self._command(Mode.FORCED_OPEN, State.OPEN, "forced open by hand")

    def disable(self) -> None:
        """Admit every call, and go on counting, until `reset()`."""
        self._command(Mode.DISABLED, State.CLOSED, "disabled by hand")

    def reset(self) -> None:
        """Close it and forget the failures so far; the counters go on."""
        self._command(Mode.AUTOMATIC, State.CLOSED, "reset by hand")

    def _command(self, mode: Mode, state: State, reason: str) -> None:
        with self._lock:
            now = self._clock()
            self._advance(now)
            self._mode = mode
            self._transition_to(state, reason, now)
        self._announce()

    # The state machine; everything below is called with the lock held, unless it takes it

    def _admit(self, now: float) -> int:
        """Admit a call, taking the lock, and return the generation it belongs to."""
        with self._lock:
            rejection = None if self._state is _CLOSED else self._admit_probe(now)
            if rejection is None:
                self._series.in_flight += 1
            generation = self._generation
        if self._announcements:
            self._announce()
        if rejection is not None:
            raise rejection
        return generation

    def _admit_probe(self, now: float) -> CircuitOpenError | None:
        self._advance(now)
        if self._state is State.OPEN:
            forced = self._mode is Mode.FORCED_OPEN
            because = RejectedBecause.FORCED_OPEN if forced else RejectedBecause.OPEN
            return self._rejection(because, self._until_recovery(now), now)
        if len(self._probes) >= self._max_probes:
            # Nobody knows when a probe will report; by then its slot is free at the latest.
            wait = min(self._recovery_timeout, self._due - now)
            return self._rejection(RejectedBecause.HALF_OPEN_FULL, wait, now)
        self._probes.append(now)
        self._due = self._probes[0] + self._probe_timeout
        return None

    def _rejection(
        self, because: RejectedBecause, retry_after: float | None, now: float
    ) -> CircuitOpenError:
        self._series.rejected += 1
        return CircuitOpenError(
            self.name,
            self._state,
            because,
            since=self._series.changed_at,
            open_seconds=now - self._changed,
            why=self._why,
            retry_after=retry_after,
        )

    def _record_error(self, error: BaseException, generation: int, started: float) -> None:
        """Settle an admitted call that raised, taking the lock."""
        if isinstance(error, Exception):
            self._record_failure(generation, started, type(error).__name__)
        else:
            self._record_ignored(generation, started)

    def _record_success(self, generation: int, started: float) -> None:
        """Settle an admitted call as a success, taking the lock."""
        series = self._series
        with self._lock:
            now = self._clock()
            if self._state is _CLOSED and generation == self._generation:
                # What nearly every call takes: as little as counting it needs.
                series.in_flight -= 1
                series.success += 1
                series.success_durations.observe(now - started)
                series.consecutive_failures = 0
                if self._count_success is not None:
                    self._count_success(now - started, now)
            else:
                series.success += 1
                if self._settle(generation, started, now, series.success_durations):
                    series.consecutive_failures = 0
                    self._probe_succeeded(now)
        if self._announcements:
            self._announce()

    def _record_failure(self, generation: int, started: float, reason: str) -> None:
        """Settle an admitted call as a failure, taking the lock."""
        with self._lock:
            now = self._clock()
            series = self._series
            series.failure += 1
            if self._settle(generation, started, now, series.failure_durations):
                seconds = now - started
                series.consecutive_failures += 1
                self._failures.append(Failure(self._wall_clock(), reason, seconds))
                if self._state is State.HALF_OPEN:
                    self._probe_failed(reason, now)
                else:
                    self._meter.failure(seconds, now)
                    self._consider_tripping(now)
        if self._announcements:
            self._announce()

    def _record_ignored(self, generation: int, started: float) -> None:
        """Settle an admitted call that proves nothing, taking the lock."""
        with self._lock:
            now = self._clock()
            self._series.ignored += 1
            self._settle(generation, started, now, self._series.ignored_durations)
        if self._announcements:
            self._announce()

    def _settle(
        self, generation: int, started: float, now: float, durations: DurationHistogram
    ) -> bool:
        """Give the permit back; returns whether the verdict may move the state."""
        self._advance(now)
        series = self._series
        series.in_flight -= 1
        durations.observe(now - started)
        if generation != self._generation:
            series.late += 1
            return False
        if self._state is State.HALF_OPEN:
            self._probes.remove(started)
            self._due = self._probes[0] + self._probe_timeout if self._probes else inf
        return True

    def _consider_tripping(self, now: float) -> None:
        if self._mode is Mode.DISABLED:
            return
        trip = self._meter.trip()
        if trip is None:
            return
        causes = tuple(self._failures)[-trip.failures :]
        self._transition_to(State.OPEN, f"{trip.reason}: {tally(causes)}", now, causes)

    def _probe_succeeded(self, now: float) -> None:
        self._probe_successes += 1
        if self._probe_successes >= self._successes_to_close:
            one = self._probe_successes == 1
            reason = "probe succeeded" if one else f"{self._probe_successes} probes succeeded"
            self._transition_to(State.CLOSED, reason, now)

    def _probe_failed(self, reason: str, now: float) -> None:
        causes = (self._failures[-1],)
        self._transition_to(State.OPEN, f"probe failed: {reason}", now, causes)

    def _advance(self, now: float) -> None:
        """Let time act: each transition that is due happens at the moment it fell due."""
        while now >= self._due:
            due = self._due
            if self._state is State.OPEN:
                reason = f"recovery timeout of {self._recovery_timeout:g} s is over"
                self._transition_to(State.HALF_OPEN, reason, due)
            else:
                reason = f"no result within {self._probe_timeout:g} s"
                self._series.consecutive_failures += 1
                overdue_at = self._wall_clock() - (now - due)
                self._failures.append(Failure(overdue_at, reason, self._probe_timeout))
                self._probe_failed(reason, due)

    def _transition_to(
        self, state: State, reason: str, now: float, causes: tuple[Failure, ...] = ()
    ) -> None:
        """Move to `state` at `now`, a time that may already have passed."""
        previous = self._state
        at = self._wall_clock() - (self._clock() - now)
        if previous is not state:
            self._series.state_seconds[previous] += now - self._changed
            self._series.transitions[previous, state] += 1
            self._series.changed_at = at
            self._changed = now
        self._state = state
        self._why = reason
        self._generation += 1
        self._probes.clear()
        self._probe_successes = 0
        self._due = inf
        if state is State.OPEN and self._mode is Mode.AUTOMATIC:
            self._due = now + self._recovery_timeout
        if state is State.CLOSED:
            self._meter.clear()
            self._series.consecutive_failures = 0
            self._failures.clear()
        transition = Transition(at, previous, state, reason, causes)
        self._history.append(transition)
        self._history_copy = None
        if self._listeners:
            self._announcements.append(transition)

    def _until_recovery(self, now: float) -> float | None:
        if self._state is State.OPEN and self._due != inf:
            return max(0.0, self._due - now)
        return None

    def _announce(self) -> None:
        """Tell the listeners, taking the lock; one thread at a time, so that the order holds."""
        while self._announcements:
            with self._lock:
                if self._announcing or not self._announcements:
                    return
                self._announcing = True
                transition = self._announcements.popleft()
                listeners = self._listeners
            try:
                for listener in listeners:
                    try:
                        listener(self, transition)
                    except Exception:
                        _logger.exception("a transition listener of %r failed", self.name)
            finally:
                with self._lock:
                    self._announcing = False


class Permit:
    """One admitted call, to be settled exactly once; later settlements do nothing.

    Each settling method returns whether it was the one that counted. Made by
    `CircuitBreaker.acquire()`; may be settled from any thread.
    """

    __slots__ = ("_breaker", "_generation", "_settled", "_started")

    def __init__(self, breaker: CircuitBreaker, generation: int, started: float) -> None:
        self._breaker = breaker
        self._generation = generation
        self._started = started
        self._settled = threading.Lock()

    def success(self) -> bool:
        """The service did its work."""
        if not self._settled.acquire(blocking=False):
            return False
        self._breaker._record_success(self._generation, self._started)  # noqa: SLF001
        return True

    def failure(
        self,
        reason: str | BaseException,
        *,
        retry_after: float | None = None,  # noqa: ARG002
    ) -> bool:
        """The service failed; an exception's reason is the name of its type."""
        if not self._settled.acquire(blocking=False):
            return False
        words = reason if isinstance(reason, str) else type(reason).__name__
        self._breaker._record_failure(self._generation, self._started, words)  # noqa: SLF001
        return True

    def ignore(self, *, sent: bool = True) -> bool:  # noqa: ARG002
        """The call says nothing about the service; the permit goes back."""
        if not self._settled.acquire(blocking=False):
            return False
        self._breaker._record_ignored(self._generation, self._started)  # noqa: SLF001
        return True

    def first_item(self) -> None:
        """The first item of the answer is here."""


def _require_positive(what: str, value: float) -> None:
    if not value > 0 or value == inf:
        raise ValueError(f"{what} must be a positive number, not {value!r}")


def _code_behind(function: Callable[..., object]) -> CodeType | None:
    """Look the code up that a method, a partial or a callable object leads to."""
    while isinstance(function, partial):
        function = function.func
    code = getattr(function, "__code__", None)
    if code is None and callable(function):
        code = getattr(type(function).__call__, "__code__", None)
    return cast("CodeType | None", code)
