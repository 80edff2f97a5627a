"""The shared state of a breaker and everything that takes its lock."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import isfinite
from typing import Self, Unpack

from fuseboard.breaker.counters import DURATION_BUCKETS
from fuseboard.breaker.listeners import EventQueue
from fuseboard.breaker.outcome import GOOD, Ruling, Verdict
from fuseboard.breaker.settings import BreakerSettings, SettingsKwargs
from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard.breaker.state import Mode, State
from fuseboard.breaker.state_machine import StateMachine

# Looked up once: until Python 3.12 reading an enum's member costs as much as the lock.
_SUCCESS, _FAILURE = Verdict.SUCCESS, Verdict.FAILURE


class BreakerCore:
    """The lock, state machine and event queue of one breaker.

    Permits, guards and fallbacks depend on this class alone. Each method takes
    the lock, changes the state machine, releases the lock and then notifies
    the listeners, so that no user code runs while the lock is held.
    `CircuitBreaker`, its subclass, documents the constructor's arguments.
    """

    __slots__ = (
        "__weakref__",
        "_clock",
        "_count_success",
        "_events",
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
        **settings: Unpack[SettingsKwargs],
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
        self._events: EventQueue[Self] = EventQueue(name, self._lock)
        self._machine = StateMachine(
            name,
            BreakerSettings(**settings),
            self._events,
            clock=clock,
            wall_clock=wall_clock,
            draw=draw,
            history_size=history_size,
            duration_buckets=duration_buckets,
        )
        # Both take no lock: see `Counters`.
        self._next_ticket = self._machine.counters.next_ticket
        self._count_success = self._machine.counters.pending_successes.append

    @property
    def settings(self) -> BreakerSettings:
        """The current settings."""
        return self._machine.settings

    @property
    def state(self) -> State:
        """The current state, after transitions that are due by now."""
        with self._lock:
            self._machine.advance(self._clock())
            state = self._machine.state
        self._notify()
        return state

    def snapshot(self) -> BreakerSnapshot:
        """Return a consistent snapshot, after transitions that are due by now."""
        with self._lock:
            snapshot = self._machine.snapshot(self._clock())
        self._notify()
        return snapshot

    # Admission

    def _admit(self) -> tuple[int, float]:
        """Admit a call and return its generation and start time, or raise `CircuitOpenError`."""
        with self._lock:
            now = self._clock()
            rejection = self._machine.admit(now)
            generation = self._machine.generation
        if self._events.waiting:
            self._notify()
        if rejection is not None:
            try:
                raise rejection
            finally:
                del rejection  # or its traceback would keep it, and every frame above, alive
        return generation, now

    def _cancel_admission(self, generation: int, started: float) -> None:
        """Undo an admission whose call has not begun."""
        with self._lock:
            self._machine.cancel_admission(generation, started, self._clock())
        self._notify()

    def _first_item_came(self, generation: int, started: float) -> float:
        """Record the first item of an admitted call's stream; return the seconds it took."""
        now = self._clock()
        if self._machine.tracks_in_flight:
            with self._lock:
                now = self._clock()
                self._machine.first_item_came(generation, started, now)
            self._notify()
        return now - started

    # Settlement

    def _record_error(self, error: BaseException, generation: int, started: float) -> None:
        """Settle an admitted call that raised."""
        ruling = self._machine.settings.classifier.on_error(error)
        if ruling.verdict is _FAILURE:
            self._record_failure(ruling, generation, started)
        else:
            self._record_ignored(ruling, generation, started)

    def _record_result(self, result: object, generation: int, started: float) -> None:
        """Settle an admitted call that returned."""
        ruling = self._machine.settings.classifier.on_result(result)
        self._record(ruling or GOOD, generation, started)

    def _record(
        self, ruling: Ruling, generation: int, started: float, first_item: float | None = None
    ) -> None:
        """Settle an admitted call by a ruling."""
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
            self._machine.on_success(generation, started, self._clock(), first_item)
        if self._events.waiting:
            self._notify()

    def _record_failure(
        self, ruling: Ruling, generation: int, started: float, first_item: float | None = None
    ) -> None:
        with self._lock:
            self._machine.on_failure(ruling, generation, started, self._clock(), first_item)
        if self._events.waiting:
            self._notify()

    def _record_ignored(
        self, ruling: Ruling, generation: int, started: float, first_item: float | None = None
    ) -> None:
        with self._lock:
            self._machine.on_ignored(ruling, generation, started, self._clock(), first_item)
        if self._events.waiting:
            self._notify()

    def _fold(self) -> None:
        """Count the calls that were recorded without the lock."""
        with self._lock:
            self._machine.counters.fold()

    # Commands

    def _transition_to(self, state: State, reason: str, mode: Mode = Mode.AUTOMATIC) -> None:
        """Move to a state by a manual command."""
        with self._lock:
            self._machine.command(mode, state, reason, self._clock())
        self._notify()

    def _configure(self, **settings: Unpack[SettingsKwargs]) -> None:
        """Replace some settings."""
        with self._lock:
            changed = replace(self._machine.settings, **settings)
            self._machine.configure(changed, self._clock())
        self._notify()

    # Events

    def _notify(self: Self) -> None:
        """Deliver waiting events to the listeners; the lock must not be held."""
        self._events.deliver(self)

    def _refresh(self) -> None:
        """Recompute what may run without the lock."""
        with self._lock:
            self._machine.refresh()
