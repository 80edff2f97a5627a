"""The states of a breaker and what moves it from one to another.

    CLOSED ── the trip policy's limit is reached ───────► OPEN
    OPEN ── the recovery timeout is over ───────────────► HALF_OPEN
    HALF_OPEN ── enough probes succeeded ───────────────► CLOSED
    HALF_OPEN ── a probe failed, or never reported ─────► OPEN

Every transition starts a new generation. A call is admitted in one
generation; if it is settled in a later one, it is counted and does not change
the state.

The machine does no I/O and takes no lock: `BreakerCore` holds its lock
whenever it calls a method here, and passes the time on its clock as `now`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from math import inf
from typing import Any

from fuseboard.breaker.counters import FOLD_MASK, Counters
from fuseboard.breaker.errors import CircuitOpenError, RejectedBecause
from fuseboard.breaker.listeners import EventQueue
from fuseboard.breaker.outcome import GOOD, Ruling
from fuseboard.breaker.records import Call, Failure, Transition, summarize_failures
from fuseboard.breaker.settings import BreakerSettings
from fuseboard.breaker.snapshot import BreakerSnapshot, TransitionCounts
from fuseboard.breaker.state import Mode, State
from fuseboard.breaker.tunables import Tunable, tunables_of

_REMEMBERED_FAILURES = 20
# Looked up once: until Python 3.12 reading an enum's member costs as much as the lock.
_CLOSED, _OPEN, _HALF_OPEN = State.CLOSED, State.OPEN, State.HALF_OPEN
_AUTOMATIC = Mode.AUTOMATIC
_BECAUSE_OPEN = RejectedBecause.OPEN


class StateMachine:
    """Decide which calls are admitted, and what their verdicts lead to.

    Args:
        name: The breaker's name.
        settings: The breaker's settings.
        events: Where transitions, settled calls and rejections are put.
        clock: A monotonic clock, seconds.
        wall_clock: Unix seconds, for times shown to people.
        draw: A source of random numbers from 0 to 1, for the jitter of the recovery timeout.
        history_size: How many transitions are remembered.
        duration_buckets: Upper bounds of the duration histograms, seconds.
    """

    __slots__ = (
        "_calls",
        "_clock",
        "_deadline",
        "_draw",
        "_entered",
        "_events",
        "_failures",
        "_history",
        "_history_copy",
        "_lengthened",
        "_meter",
        "_name",
        "_open_seconds",
        "_openings",
        "_probe_starts",
        "_probe_successes",
        "_rejections",
        "_retry_not_before",
        "_tunables",
        "_wall_clock",
        "_why",
        "_would_be_open_until",
        "counters",
        "generation",
        "lock_free_admissions",
        "lock_free_successes",
        "mode",
        "settings",
        "state",
    )

    def __init__(
        self,
        name: str,
        settings: BreakerSettings,
        events: EventQueue[Any],
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        draw: Callable[[], float],
        history_size: int,
        duration_buckets: Sequence[float],
    ) -> None:
        self._name = name
        self._events = events
        self._calls = events.calls
        self._rejections = events.rejections
        self._clock = clock
        self._wall_clock = wall_clock
        self._draw = draw
        self.settings = settings
        self.counters = Counters(wall_clock(), duration_buckets)
        self._meter = settings.trip.meter(self.counters)
        self.state = _CLOSED
        self.mode = _AUTOMATIC
        self._why = "no trouble so far"
        self._entered = clock()  # when it came into this state
        self.generation = 0
        """The generation that a call is admitted to now."""
        self._deadline = inf  # when time alone will cause the next transition
        self._openings = 0  # since it was last closed
        self._open_seconds = settings.open_seconds(1, 0.0)  # of the present or next opening
        self._lengthened = False  # whether a Retry-After made the present opening longer
        self._retry_not_before = -inf  # the latest end of a Retry-After since it was last closed
        self._would_be_open_until = -inf  # in METRICS_ONLY
        self._probe_starts: deque[float] = deque()  # when each probe under way was admitted
        self._probe_successes = 0
        # The latest failures: when, on the clock; why; and the seconds they took. They become
        # `Failure`s only when one is needed.
        self._failures: deque[tuple[float, str, float]] = deque(maxlen=_REMEMBERED_FAILURES)
        self._history: deque[Transition] = deque(maxlen=history_size)
        self._history_copy: tuple[Transition, ...] | None = ()
        self._tunables: tuple[Tunable, ...] | None = None  # of the settings, once requested
        self.lock_free_admissions: int | None = 0
        """The generation to which calls are admitted without the lock, if there is one."""
        self.lock_free_successes: int | None = 0
        """The generation whose successes change nothing but the counters, if there is one."""
        self.refresh()

    # Admission

    def admit(self, now: float) -> CircuitOpenError | None:
        """Admit a call and return `None`, or return its rejection."""
        if now >= self._deadline:
            self.advance(now)
        if self.state is _OPEN:
            if self.mode is _AUTOMATIC:
                return self._reject(_BECAUSE_OPEN, self._deadline - now, now)
            return self._reject(RejectedBecause.FORCED_OPEN, None, now)
        if self.state is _HALF_OPEN:
            if len(self._probe_starts) >= self.settings.max_probes:
                # When a probe will report is unknown; by then its slot is free at the latest.
                wait = min(self._open_seconds, self._deadline - now)
                return self._reject(RejectedBecause.HALF_OPEN_FULL, wait, now)
            self._probe_starts.append(now)
            self._deadline = self._probe_starts[0] + self.settings.probe_timeout
        elif self._meter.tracks_in_flight:
            self._meter.begin(now)
            self._deadline = self._meter.next_deadline()
        if not self.counters.next_ticket() & FOLD_MASK:
            self.counters.fold()
        return None

    def cancel_admission(self, generation: int, started: float, now: float) -> None:
        """Undo an admission whose call has not begun."""
        self.advance(now)
        self.counters.cancelled_admissions += 1
        if generation == self.generation:
            self._discard(now, started, None)

    def _reject(
        self, because: RejectedBecause, retry_after: float | None, now: float
    ) -> CircuitOpenError:
        counters = self.counters
        counters.rejected += 1
        rejection = CircuitOpenError(
            self._name,
            self.state,
            because,
            counters.changed_at,
            now - self._entered,
            self._why,
            retry_after,
        )
        if self._rejections.listeners:
            self._events.put(self._rejections, rejection)
        return rejection

    # Settlement

    def first_item_came(self, generation: int, started: float, now: float) -> None:
        """Record the first item of a call's stream, for a policy that tracks calls in flight."""
        self.advance(now)
        if generation == self.generation and self.state is _CLOSED:
            self._meter.first_item(started)
            self._deadline = self._meter.next_deadline()

    def on_success(
        self, generation: int, started: float, now: float, first_item: float | None
    ) -> None:
        """Settle an admitted call as a success."""
        self.counters.pending_successes.append(now - started)
        if not self._settle(GOOD, generation, started, now, first_item):
            return
        self.counters.consecutive_failures = 0
        if self.state is _HALF_OPEN:
            self._release_probe(started)
            self._on_probe_success(now)
        elif self._meter.counts_calls:
            self._count(now, started, first_item, failed=False)
            self._check_trip(now)
        self.refresh()

    def on_failure(
        self, ruling: Ruling, generation: int, started: float, now: float, first_item: float | None
    ) -> None:
        """Settle an admitted call as a failure, for the ruling's reason."""
        seconds = now - started
        self.counters.pending_failures.append(seconds)
        if not self._settle(ruling, generation, started, now, first_item):
            return
        self.counters.consecutive_failures += 1
        self._failures.append((now, ruling.reason, seconds))
        if ruling.retry_after is not None and ruling.retry_after > 0:
            pause = min(ruling.retry_after, self.settings.longest_retry_after)
            self._retry_not_before = max(self._retry_not_before, now + pause)
        if self.state is _HALF_OPEN:
            self._release_probe(started)
            self._on_probe_failure(ruling.reason, now)
        else:
            self.lock_free_successes = None  # the next success ends the streak
            if self._meter.counts_calls:
                self._count(now, started, first_item, failed=True)
            self._check_trip(now)

    def on_ignored(
        self, ruling: Ruling, generation: int, started: float, now: float, first_item: float | None
    ) -> None:
        """Settle an admitted call that proves nothing about the service."""
        self.counters.pending_ignored.append(now - started)
        if not ruling.sent:
            self.counters.unsent += 1
        if self._settle(ruling, generation, started, now, first_item):
            self._discard(now, started, first_item)

    def _settle(
        self, ruling: Ruling, generation: int, started: float, now: float, first_item: float | None
    ) -> bool:
        """Record the end of a call; return whether its verdict may change the state."""
        if now >= self._deadline:
            self.advance(now)
        current = generation == self.generation
        if not current:
            self.counters.late += 1
        if self._calls.listeners:
            call = Call(self._wall_clock(), ruling, now - started, first_item, late=not current)
            self._events.put(self._calls, call)
        return current

    def _count(self, now: float, started: float, first_item: float | None, *, failed: bool) -> None:
        self._meter.count(now, started, failed=failed, first_item=first_item)
        if self._meter.tracks_in_flight:
            self._deadline = self._meter.next_deadline()

    def _discard(self, now: float, started: float, first_item: float | None) -> None:
        """Remove a call of this generation that counts neither as a success nor as a failure."""
        if self.state is _HALF_OPEN:
            self._release_probe(started)
        elif self._meter.tracks_in_flight:
            self._meter.discard(now, started, first_item)
            self._deadline = self._meter.next_deadline()

    @property
    def tracks_in_flight(self) -> bool:
        """Whether the trip policy needs the begin and the first item of every call."""
        return self._meter.tracks_in_flight

    # From closed to open

    def _check_trip(self, now: float) -> None:
        """Open if the trip policy's limit is reached."""
        trip = self._meter.trip(now)
        if trip is None or self.mode is Mode.DISABLED or now < self._would_be_open_until:
            return
        causes = self._latest_failures(trip.failures)
        why = f"{trip.reason}: {summarize_failures(causes)}" if causes else trip.reason
        if self.mode is Mode.METRICS_ONLY:
            self._would_be_open_until = now + self.settings.open_seconds(1, self._draw())
            would = f"would have opened: {why}"
            self._remember(Transition(self._wall_clock(), self.state, self.state, would, causes))
        else:
            self._transition_to(_OPEN, why, now, causes)

    # From half-open to closed or open

    def _on_probe_success(self, now: float) -> None:
        self._probe_successes += 1
        if self._probe_successes >= self.settings.successes_to_close:
            one = self._probe_successes == 1
            reason = "probe succeeded" if one else f"{self._probe_successes} probes succeeded"
            self._transition_to(_CLOSED, reason, now)

    def _on_probe_failure(self, reason: str, now: float) -> None:
        causes = self._latest_failures(1)
        self._transition_to(_OPEN, f"probe failed: {reason}", now, causes)

    def _release_probe(self, started: float) -> None:
        self._probe_starts.remove(started)
        self._deadline = inf
        if self._probe_starts:
            self._deadline = self._probe_starts[0] + self.settings.probe_timeout

    # What time alone causes

    def advance(self, now: float) -> None:
        """Make every transition that is due by `now`, each at the moment it fell due."""
        while now >= self._deadline:
            due = self._deadline
            if self.state is _OPEN:
                what = "Retry-After" if self._lengthened else "recovery timeout"
                reason = f"{what} of {self._open_seconds:.4g} s is over"
                self._transition_to(_HALF_OPEN, reason, due)
            elif self.state is _HALF_OPEN:
                seconds = due - self._probe_starts[0]
                reason = f"no result within {seconds:g} s"
                self.counters.consecutive_failures += 1
                self._failures.append((due, reason, seconds))
                self._on_probe_failure(reason, due)
            else:
                self._meter.expire(due)
                self._deadline = self._meter.next_deadline()
                self._check_trip(due)

    # Commands

    def command(self, mode: Mode, state: State, reason: str, now: float) -> None:
        """Carry out a manual command."""
        self.advance(now)
        self.mode = mode
        self._would_be_open_until = -inf
        self._transition_to(state, reason, now)

    def configure(self, settings: BreakerSettings, now: float) -> None:
        """Replace the settings, as `CircuitBreaker.configure()` describes."""
        self.advance(now)
        if settings.trip != self.settings.trip:
            self._meter = settings.trip.meter(self.counters)
            if self.state is _CLOSED:
                self._deadline = self._meter.next_deadline()
        self.settings = settings
        self._tunables = None
        if self.state is not _OPEN:
            self._open_seconds = settings.open_seconds(self._openings + 1, 0.0)
        if self._probe_starts:  # a probe that is overdue by the new timeout fails now, not earlier
            self._deadline = max(now, self._probe_starts[0] + settings.probe_timeout)
        self.refresh()

    # The transition itself

    def _transition_to(
        self, state: State, reason: str, now: float, causes: tuple[Failure, ...] = ()
    ) -> None:
        """Move to `state` at `now`, which may be in the past, and start a generation."""
        previous = self.state
        at = self._wall_clock() - (self._clock() - now)
        if previous is not state:
            self.counters.state_seconds[previous] += now - self._entered
            self.counters.transitions[previous, state] += 1
            self.counters.changed_at = at
            self._entered = now
        self.state = state
        self._why = reason
        self.generation += 1
        self._probe_starts.clear()
        self._probe_successes = 0
        self._deadline = inf
        if state is _OPEN:
            self._start_opening(now)
        elif state is _CLOSED:
            self._openings = 0
            self._open_seconds = self.settings.open_seconds(1, 0.0)
            self._retry_not_before = -inf
            self._meter.clear()
            self.counters.consecutive_failures = 0
            self._failures.clear()
        self._remember(Transition(at, previous, state, reason, causes))
        self.refresh()

    def _start_opening(self, now: float) -> None:
        """Decide how long this opening lasts; this is the only place that does."""
        self._openings += 1
        self._open_seconds = self.settings.open_seconds(self._openings, self._draw())
        self._lengthened = self._retry_not_before > now + self._open_seconds
        if self._lengthened:
            self._open_seconds = self._retry_not_before - now
        if self.mode is _AUTOMATIC:
            self._deadline = now + self._open_seconds

    def refresh(self) -> None:
        """Recompute the lock-free generations."""
        closed = self.state is _CLOSED
        admits = closed and not self._meter.tracks_in_flight
        self.lock_free_admissions = self.generation if admits else None
        changes_nothing = (
            closed
            and self.counters.consecutive_failures == 0
            and not self._meter.counts_calls
            and not self.settings.classifier.judges_results
            and not self._calls.listeners
        )
        self.lock_free_successes = self.generation if changes_nothing else None

    def _remember(self, transition: Transition) -> None:
        self._history.append(transition)
        self._history_copy = None
        self._events.put(self._events.transitions, transition)

    def _latest_failures(self, count: int) -> tuple[Failure, ...]:
        wall_zero = self._wall_clock() - self._clock()
        latest = tuple(self._failures)[-count:] if count else ()
        return tuple(Failure(wall_zero + at, reason, seconds) for at, reason, seconds in latest)

    # Snapshot

    def snapshot(self, now: float) -> BreakerSnapshot:
        """Return a consistent snapshot, after the transitions that are due by `now`."""
        self.advance(now)
        counters = self.counters
        in_flight = counters.in_flight()
        if self._history_copy is None:
            self._history_copy = tuple(self._history)
        if self._tunables is None:
            self._tunables = tunables_of(self.settings)
        seconds_in_state = now - self._entered
        state_seconds = counters.state_seconds.copy()
        state_seconds[self.state] += seconds_in_state
        return BreakerSnapshot(
            name=self._name,
            state=self.state,
            mode=self.mode,
            why=self._why,
            changed_at=counters.changed_at,
            seconds_in_state=seconds_in_state,
            retry_after=self._until_recovery(now),
            recovery_timeout=self._open_seconds,
            calls=counters.calls(),
            late=counters.late,
            unsent=counters.unsent,
            in_flight=in_flight,
            probes=len(self._probe_starts),
            successes_missing=self._successes_missing(),
            consecutive_failures=counters.consecutive_failures,
            gauges=self._meter.gauges(now),
            history=self._history_copy,
            transitions=TransitionCounts(counters.transitions),
            state_seconds=state_seconds,
            durations=counters.durations(),
            tunables=self._tunables,
        )

    def _successes_missing(self) -> int | None:
        if self.state is not _HALF_OPEN or self.mode is not Mode.AUTOMATIC:
            return None
        return self.settings.successes_to_close - self._probe_successes

    def _until_recovery(self, now: float) -> float | None:
        if self.state is _OPEN and self._deadline != inf:
            return max(0.0, self._deadline - now)
        return None
