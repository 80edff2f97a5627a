"""The shared state of a breaker and everything that takes its lock."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import isfinite
from threading import get_ident
from typing import Any, NoReturn, Self, Unpack

from fuseboard.breaker.active_calls import OuterCall, ThreadActivity, marked_call
from fuseboard.breaker.admission import Admission
from fuseboard.breaker.counters import DURATION_BUCKETS, AtomicCounter
from fuseboard.breaker.errors import CircuitOpenError
from fuseboard.breaker.fork import renew_in_children
from fuseboard.breaker.generation import Generation
from fuseboard.breaker.listeners import EventQueue
from fuseboard.breaker.live_object import LiveObject
from fuseboard.breaker.names import check_name
from fuseboard.breaker.outcome import GOOD, Ruling
from fuseboard.breaker.settings import BreakerSettings, SettingsKwargs
from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard.breaker.state import Mode, State
from fuseboard.breaker.state_machine import StateMachine
from fuseboard.breaker.validation import NumberKind

_CLOSED = State.CLOSED  # until Python 3.12 reading an enum's member costs as much as the lock
_MOST_THREADS = 1000  # remembered, before those that do nothing are forgotten


class BreakerCore(LiveObject):
    """The lock, state machine and event queue of one breaker.

    Permits, guards and fallbacks depend on this class alone. Each method takes
    the lock, changes the state machine, releases the lock and then notifies
    the listeners, so that no user code runs while the lock is held.

    A garbage collection or a signal handler may interrupt the thread that
    holds the lock, and settle or make a call itself. What it changes waits
    until that thread is through: see `_change()`.

    `CircuitBreaker`, its subclass, documents the constructor's arguments.
    """

    __slots__ = (
        "__weakref__",
        "_awaits_begun",
        "_awaits_ended",
        "_awaits_of_parent",
        "_changes",
        "_clock",
        "_count_success",
        "_events",
        "_lock",
        "_machine",
        "_open_admissions",
        "_owner",
        "_pending_successes",
        "_threads",
        "marks_contexts",
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
        history_size = NumberKind.AMOUNT.check("history_size", history_size)
        duration_buckets = [NumberKind.ANY.check("duration_buckets", at) for at in duration_buckets]
        if list(duration_buckets) != sorted(set(duration_buckets)):
            raise ValueError("duration_buckets must be ascending")
        if not all(map(isfinite, duration_buckets)):
            raise ValueError("duration_buckets must be finite: +Inf is added by itself")
        self.name = check_name(name)
        self._clock = clock
        self._lock = threading.Lock()
        self._owner: int | None = None  # the thread that holds the lock
        # What re-entered while the lock was held, and must still be done.
        self._changes: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._threads: dict[int, ThreadActivity] = {}
        self._awaits_begun = AtomicCounter()
        self._awaits_ended = AtomicCounter()  # but for those that succeeded without the lock
        self._awaits_of_parent = 0  # that were under way when this process was forked
        self.marks_contexts = False
        """Whether a call of this breaker may have marked a context: see `active_calls`."""
        # By `id()`, those that are not settled. A step of a dictionary cannot be interrupted.
        self._open_admissions: dict[int, None] = {}
        self._events: EventQueue[Self] = EventQueue(name)
        self._machine = StateMachine(
            name,
            BreakerSettings(**settings),
            self._events,
            clock=clock,
            wall_clock=wall_clock,
            draw=draw,
            history_size=history_size,
            duration_buckets=duration_buckets,
            identity=id(self),
        )
        self._pending_successes = self._machine.counters.pending_successes
        self._count_success = self._pending_successes.append  # takes no lock: see `Counters`
        renew_in_children(self)

    @property
    def settings(self) -> BreakerSettings:
        """The current settings."""
        return self._machine.settings

    @property
    def state(self) -> State:
        """The current state, after transitions that are due by now."""
        if self._clock() >= self._machine.generation.deadline:
            self._change(self._advance)
        return self._machine.generation.state

    def snapshot(self) -> BreakerSnapshot:
        """Return a consistent snapshot, after transitions that are due by now."""
        if self._owner == get_ident():  # nothing may be changed now
            return self._machine.snapshot(self._clock(), self._in_flight())
        taken: list[BreakerSnapshot] = []
        self._change(self._take_snapshot, taken)
        return taken[0]

    # Changes under the lock

    def _change(self, change: Callable[..., None], *arguments: Any) -> None:
        """Call `change` under the lock, then notify the listeners.

        If it is this thread that holds the lock, it was interrupted in the
        middle of another change: this one waits until that is done.
        """
        me = get_ident()
        if self._owner == me:
            self._changes.append((change, arguments))
            return
        with self._lock:
            self._owner = me
            try:
                change(*arguments)
            finally:
                self._owner = None
        self._follow_up()

    def _follow_up(self: Self) -> None:
        """Do what has to be done once the lock is released; nothing if this thread holds it."""
        if self._owner == get_ident():
            return
        while self._changes:
            try:
                change, arguments = self._changes.popleft()
            except IndexError:  # another thread was faster
                break
            self._change(change, *arguments)
        if self._events.waiting:
            self._events.deliver(self)

    def _advance(self) -> None:
        self._machine.advance(self._clock())

    def _take_snapshot(self, taken: list[BreakerSnapshot]) -> None:
        now = self._clock()
        self._machine.advance(now)
        self._machine.counters.fold()
        taken.append(self._machine.snapshot(now, self._in_flight()))

    def _in_flight(self) -> int:
        """Return how many calls were admitted and have not ended."""
        running = sum(thread.active for thread in tuple(self._threads.values()))
        return running + max(0, self._awaiting()) + len(self._open_admissions)

    def _awaiting(self) -> int:
        """Return how many coroutines were admitted without a permit and have not ended."""
        # In this order, so that one which ends meanwhile is not missed.
        ended = self._awaits_ended.value() + self._machine.counters.successful_awaits()
        return self._awaits_begun.value() - ended - self._awaits_of_parent

    def _fold(self) -> None:
        """Count the successes that were recorded without the lock."""
        self._change(self._machine.counters.fold)

    # Where a call is made

    def _thread(self) -> ThreadActivity:
        """Return what this thread does through this breaker."""
        if len(self._threads) > _MOST_THREADS:
            for ident, thread in tuple(self._threads.items()):
                if not thread.active:
                    self._threads.pop(ident, None)
        return self._threads.setdefault(get_ident(), ThreadActivity())

    def _outer_call(self) -> OuterCall | None:
        """Return the call of this breaker inside which this code runs, if there is one."""
        thread = self._threads.get(get_ident())
        if thread is not None and thread.active:
            return thread
        return marked_call(self) if self.marks_contexts else None

    # Admission

    def _admit(self, admission: Admission) -> None:
        """Admit a call, or raise `CircuitOpenError`."""
        generation = self._machine.generation
        now = self._clock()
        if generation.admits_freely:
            self._open(admission, generation, now)
        elif now < generation.rejects_until:
            self._raise_rejection(self._machine.reject(generation, now))
        elif self._owner == get_ident():
            self._admit_within_change(admission, generation, now)
        else:
            rejections: list[CircuitOpenError] = []
            self._change(self._admit_under_lock, admission, rejections)
            if rejections:
                self._raise_rejection(rejections.pop())

    def _open(self, admission: Admission, generation: Generation, now: float) -> None:
        admission.started = now
        admission.generation = generation
        self._open_admissions[id(admission)] = None

    def _admit_under_lock(self, admission: Admission, rejections: list[CircuitOpenError]) -> None:
        now = self._clock()
        self._machine.advance(now)
        # First, so that an admission is given back even if it is interrupted.
        self._open(admission, self._machine.generation, now)
        rejection = self._machine.admit(now)
        if rejection is not None:
            self._close(admission)
            rejections.append(rejection)

    def _admit_within_change(
        self, admission: Admission, generation: Generation, now: float
    ) -> None:
        """Admit a call that this thread makes in the middle of a change of this breaker."""
        if generation.state is not _CLOSED:
            self._raise_rejection(self._machine.reject(generation, now))
        self._open(admission, generation, now)
        self._changes.append((self._machine.begin, (generation, now)))

    def _raise_rejection(self, rejection: CircuitOpenError) -> NoReturn:
        if self._changes or self._events.waiting:
            self._follow_up()
        try:
            raise rejection
        finally:
            del rejection  # or its traceback would keep it, and every frame above, alive

    def _cancel(self, admission: Admission) -> None:
        """Undo an admission whose call has not begun."""
        self._change(self._cancel_under_lock, admission)

    def _cancel_under_lock(self, admission: Admission) -> None:
        if self._close(admission) and admission.generation is not None:
            self._machine.cancel(admission.generation, admission.started, self._clock())

    # Settlement

    def _close(self, admission: Admission) -> bool:
        """Return whether the admission is still to be settled; from then on it is not."""
        key = id(admission)
        if key not in self._open_admissions:
            return False
        del self._open_admissions[key]
        return True

    def _settle_admission(self, admission: Admission, ruling: Ruling) -> bool:
        """Settle the call of an admission; return whether it was still to be settled."""
        generation = admission.generation
        if generation is None or id(admission) not in self._open_admissions:
            return False
        if self._owner == get_ident():
            self._close(admission)
            first_item = admission.seconds_to_first_item
            change = (ruling, generation, admission.started, first_item)
            self._changes.append((self._settle, change))
            return True
        # Until the lock is held it stays open, and is given back if an interrupt comes before.
        settled: list[bool] = []
        self._change(self._settle_admission_under_lock, admission, ruling, settled)
        return bool(settled)

    def _settle_admission_under_lock(
        self, admission: Admission, ruling: Ruling, settled: list[bool]
    ) -> None:
        generation, started = admission.generation, admission.started
        if generation is None or not self._close(admission):
            return
        try:
            settled.append(True)
            self._settle(ruling, generation, started, admission.seconds_to_first_item)
        except BaseException:
            self._machine.release(generation, started)  # it was interrupted, perhaps before that
            raise

    def _record_error(self, error: BaseException, generation: Generation, started: float) -> None:
        """Settle a call that raised."""
        ruling = self._machine.settings.classifier.on_error(error)
        # The same as _record(), without a call.
        me = get_ident()
        if self._owner == me:
            self._changes.append((self._settle, (ruling, generation, started, None)))
            return
        with self._lock:
            self._owner = me
            try:
                self._machine.settle(ruling, generation, started, self._clock())
            finally:
                self._owner = None
        if self._changes or self._events.waiting:
            self._follow_up()

    def _record_result(self, result: object, generation: Generation, started: float) -> None:
        """Settle a call that returned."""
        ruling = self._machine.settings.classifier.on_result(result)
        self._record(ruling or GOOD, generation, started)

    def _record(
        self,
        ruling: Ruling,
        generation: Generation,
        started: float,
        first_item: float | None = None,
    ) -> None:
        """Settle a call; the same as `_change()`, without its costs."""
        me = get_ident()
        if self._owner == me:
            self._changes.append((self._settle, (ruling, generation, started, first_item)))
            return
        with self._lock:
            self._owner = me
            try:
                self._machine.settle(ruling, generation, started, self._clock(), first_item)
            finally:
                self._owner = None
        if self._changes or self._events.waiting:
            self._follow_up()

    def _settle(
        self,
        ruling: Ruling,
        generation: Generation,
        started: float,
        first_item: float | None = None,
    ) -> None:
        self._machine.settle(ruling, generation, started, self._clock(), first_item)

    def _record_outer(self, inner: Admission, generation: Generation, started: float) -> None:
        """Settle a call that returned and that had a call of the same breaker inside.

        The inner call knows better how the service did. If it is a stream that
        still goes on, the admission passes to it.
        """
        self._change(self._settle_outer, inner, generation, started)

    def _settle_outer(self, inner: Admission, generation: Generation, started: float) -> None:
        if inner.ruling is not None:
            self._settle(inner.ruling, generation, started, inner.seconds_to_first_item)
        else:
            if inner.seconds_to_first_item is not None:
                inner.seconds_to_first_item += inner.started - started
            self._open(inner, generation, started)

    def _settle_admission_by(self, inner: Admission, admission: Admission) -> None:
        """Settle an admission that had a call of the same breaker inside, in the same way."""
        self._change(self._settle_admission_by_under_lock, inner, admission)

    def _settle_admission_by_under_lock(self, inner: Admission, admission: Admission) -> None:
        if inner.ruling is not None:
            self._settle_admission_under_lock(admission, inner.ruling, [])
        elif admission.generation is not None and self._close(admission):
            self._settle_outer(inner, admission.generation, admission.started)

    def _record_inner(self, admission: Admission, ruling: Ruling) -> None:
        """Note how a call inside another one ended."""
        self._change(self._settle_inner, admission, ruling)

    def _settle_inner(self, admission: Admission, ruling: Ruling) -> None:
        if admission.ruling is not None:
            return
        admission.ruling = ruling
        self._settle_admission_under_lock(admission, ruling, [])  # if the call was passed on to it

    def _first_item_came(self, admission: Admission) -> None:
        """Record the first item of a call's stream; further calls do nothing."""
        if admission.seconds_to_first_item is None:
            admission.seconds_to_first_item = self._clock() - admission.started
            if self._machine.tracks_in_flight and admission.generation is not None:
                self._change(self._note_first_item, admission.generation, admission.started)

    def _note_first_item(self, generation: Generation, started: float) -> None:
        self._machine.first_item_came(generation, started, self._clock())

    # Commands

    def _transition_to(self, state: State, reason: str, mode: Mode = Mode.AUTOMATIC) -> None:
        """Move to a state by a manual command."""
        self._change(self._command, mode, state, reason)

    def _command(self, mode: Mode, state: State, reason: str) -> None:
        self._machine.command(mode, state, reason, self._clock())

    def _configure(self, **settings: Unpack[SettingsKwargs]) -> None:
        """Replace some settings."""
        replace(self._machine.settings, **settings)  # raises here, whoever holds the lock
        self._change(self._replace_settings, settings)

    def _replace_settings(self, settings: SettingsKwargs) -> None:
        self._machine.configure(replace(self._machine.settings, **settings), self._clock())

    def _refresh(self) -> None:
        """Recompute what may run without the lock."""
        self._change(self._machine.refresh)

    # Fork

    def renew_in_child(self) -> None:
        """Make the lock anew and forget the calls of the parent's other threads."""
        me = get_ident()
        self._lock = threading.Lock()
        self._changes.clear()
        for ident in tuple(self._threads):
            if ident != me:
                del self._threads[ident]
        self._awaits_of_parent += self._awaiting()
        self._open_admissions.clear()
        self._events.forget()
        if self._owner != me:
            self._owner = None
            self._machine.forget_calls_in_flight()
