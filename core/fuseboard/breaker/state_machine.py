"""The states of a breaker and what moves it from one to another.

    CLOSED ── the trip policy's limit is reached ───────► OPEN
    OPEN ── the recovery timeout is over ───────────────► HALF_OPEN
    HALF_OPEN ── enough probes succeeded ───────────────► CLOSED
    HALF_OPEN ── a probe failed, or never reported ─────► OPEN

Every transition starts a new generation. A call is admitted in one
generation; if it is settled in a later one, it is counted and does not change
the state, except that a later `Retry-After` lengthens the opening to which
the call's generation led.

The machine does no I/O and takes no lock: `BreakerCore` holds its lock
whenever it calls a method here, lets no call re-enter one, and passes the time
on its clock as `now`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from math import inf
from typing import Any

from fuseboard.breaker.counters import MOST_PENDING, Counters
from fuseboard.breaker.errors import CircuitOpenError, RejectedBecause
from fuseboard.breaker.generation import Generation
from fuseboard.breaker.listeners import EventQueue
from fuseboard.breaker.outcome import Ruling, Verdict
from fuseboard.breaker.policies.isolation import isolated_meter
from fuseboard.breaker.records import Call, Failure, Transition, summarize_failures
from fuseboard.breaker.settings import BreakerSettings
from fuseboard.breaker.snapshot import BreakerSnapshot, TransitionCounts
from fuseboard.breaker.state import Mode, State
from fuseboard.breaker.tunables import Tunable, tunables_of

_REMEMBERED_FAILURES = 20
_ASK_AGAIN_SECONDS = 1.0  # when a probe's slot is free cannot be known
# Looked up once: until Python 3.12 reading an enum's member costs as much as the lock.
_CLOSED, _OPEN, _HALF_OPEN = State.CLOSED, State.OPEN, State.HALF_OPEN
_AUTOMATIC = Mode.AUTOMATIC
_SUCCESS, _FAILURE = Verdict.SUCCESS, Verdict.FAILURE
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
        identity: The `id()` of the breaker, by which its rejections are recognised.
    """

    __slots__ = (
        "_calls",
        "_clock",
        "_draw",
        "_events",
        "_failures",
        "_history",
        "_history_copy",
        "_identity",
        "_meter",
        "_name",
        "_openings",
        "_rejections",
        "_retry_not_before",
        "_tunables",
        "_wall_clock",
        "_would_be_open_until",
        "counters",
        "generation",
        "settings",
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
        identity: int,
    ) -> None:
        self._name = name
        self._identity = identity
        self._events = events
        self._calls = events.calls
        self._rejections = events.rejections
        self._clock = clock
        self._wall_clock = wall_clock
        self._draw = draw
        self.settings = settings
        self.counters = Counters(wall_clock(), duration_buckets)
        self._meter = isolated_meter(settings.trip, self.counters)
        self.generation = Generation(
            0, _CLOSED, _AUTOMATIC, "no trouble so far", clock(), settings.open_seconds(1, 0.0)
        )
        """The generation that a call is admitted to now."""
        self._openings = 0  # since it was last closed
        self._retry_not_before = -inf  # the latest end of a Retry-After since it was last closed
        self._would_be_open_until = -inf  # in METRICS_ONLY
        # The latest failures: when, on the clock; why; and the seconds they took. They become
        # `Failure`s only when one is needed.
        self._failures: deque[tuple[float, str, float]] = deque(maxlen=_REMEMBERED_FAILURES)
        self._history: deque[Transition] = deque(maxlen=history_size)
        self._history_copy: tuple[Transition, ...] | None = ()
        self._tunables: tuple[Tunable, ...] | None = None  # of the settings, once requested
        self.refresh()

    # Admission

    def admit(self, now: float) -> CircuitOpenError | None:
        """Admit a call to the current generation and return `None`, or return its rejection."""
        if now >= self.generation.deadline:
            self.advance(now)
        generation = self.generation
        if generation.state is _OPEN:
            return self.reject(generation, now)
        if generation.state is _HALF_OPEN:
            if len(generation.probe_starts) >= self.settings.max_probes:
                return self.reject(generation, now)
            generation.probe_starts.append(now)
            generation.deadline = generation.probe_starts[0] + self.settings.probe_timeout
        else:
            self.begin(generation, now)
        return None

    def begin(self, generation: Generation, started: float) -> None:
        """Start a call of a closed breaker, for a policy that tracks calls in flight."""
        if generation is self.generation and self._meter.tracks_in_flight:
            self._meter.begin(started)
            generation.deadline = self._meter.next_deadline()

    def cancel(self, generation: Generation, started: float, now: float) -> None:
        """Undo an admission whose call has not begun."""
        self.advance(now)
        if generation is self.generation:
            self._discard(now, started, None)

    def reject(self, generation: Generation, now: float) -> CircuitOpenError:
        """Count a rejection and return it; needs no lock."""
        counters = self.counters
        counters.count_rejection()
        if generation.state is _HALF_OPEN:
            because = RejectedBecause.HALF_OPEN_FULL
            until_overdue = max(0.0, generation.deadline - now)
            retry_after = min(_ASK_AGAIN_SECONDS, generation.open_seconds, until_overdue)
        elif generation.deadline == inf:
            because, retry_after = RejectedBecause.FORCED_OPEN, None
        else:
            because, retry_after = _BECAUSE_OPEN, generation.deadline - now
        rejection = CircuitOpenError(
            self._name,
            generation.state,
            because,
            counters.changed_at,
            now - generation.entered,
            generation.why,
            retry_after,
            self._identity,
        )
        if self._rejections.listeners:
            self._events.put(self._rejections, rejection)
        return rejection

    # Settlement

    def first_item_came(self, generation: Generation, started: float, now: float) -> None:
        """Record the first item of a call's stream, for a policy that tracks calls in flight."""
        self.advance(now)
        if generation is self.generation and generation.state is _CLOSED:
            self._meter.first_item(started)
            generation.deadline = self._meter.next_deadline()

    def settle(
        self,
        ruling: Ruling,
        generation: Generation,
        started: float,
        now: float,
        first_item: float | None = None,
    ) -> None:
        """Count an admitted call that ended, and draw the consequences."""
        seconds = now - started
        verdict = ruling.verdict
        counters = self.counters
        if verdict is _FAILURE:
            pending = counters.pending_failures
        elif verdict is _SUCCESS:
            pending = counters.pending_successes
        else:
            pending = counters.pending_ignored
            if not ruling.sent:
                counters.unsent += 1
        pending.append(seconds)
        if len(pending) > MOST_PENDING:
            counters.fold()
        if now >= self.generation.deadline:
            self.advance(now)
        current = generation is self.generation
        if self._calls.listeners:
            call = Call(self._wall_clock(), ruling, seconds, first_item, late=not current)
            self._events.put(self._calls, call)
        if not current:
            counters.late += 1
            if verdict is _FAILURE and ruling.retry_after is not None:
                self._lengthen_opening(ruling.retry_after, generation, now)
        elif verdict is _FAILURE:
            self._on_failure(ruling, generation, started, now, first_item)
        elif verdict is _SUCCESS:
            self._on_success(generation, started, now, first_item)
        else:
            self._discard(now, started, first_item)

    def _on_success(
        self, generation: Generation, started: float, now: float, first_item: float | None
    ) -> None:
        self.counters.consecutive_failures = 0
        if generation.state is _HALF_OPEN:
            self._release_probe(started)
            generation.probe_successes += 1
            self._check_recovery(now)
        elif self._meter.counts_calls:
            self._count(now, started, first_item, failed=False)
            self._check_trip(now)
        self.refresh()

    def _on_failure(
        self,
        ruling: Ruling,
        generation: Generation,
        started: float,
        now: float,
        first_item: float | None,
    ) -> None:
        generation.counts_freely = False  # the next success ends the streak
        self.counters.consecutive_failures += 1
        self._failures.append((now, ruling.reason, now - started))
        if ruling.retry_after is not None:
            self._retry_not_before = max(
                self._retry_not_before, now + self._pause(ruling.retry_after)
            )
        if generation.state is _HALF_OPEN:
            self._release_probe(started)
            self._on_probe_failure(ruling.reason, now)
            return
        if self._meter.counts_calls:
            self._count(now, started, first_item, failed=True)
        self._check_trip(now)

    def _lengthen_opening(self, retry_after: float, generation: Generation, now: float) -> None:
        """Let a late failure with a `Retry-After` lengthen the opening its generation led to.

        Several calls under way when a service begins to refuse them are the
        normal case, and the first refusal need not name the longest time.
        """
        opening = self.generation
        if opening.state is not _OPEN or generation.number != opening.number - 1:
            return
        until = now + self._pause(retry_after)
        self._retry_not_before = max(self._retry_not_before, until)
        if until > opening.deadline:  # which is infinite if it is forced open
            opening.open_seconds += until - opening.deadline
            opening.lengthened = True
            opening.deadline = opening.rejects_until = until

    def _pause(self, retry_after: float) -> float:
        return min(max(0.0, retry_after), self.settings.longest_retry_after)

    def _count(self, now: float, started: float, first_item: float | None, *, failed: bool) -> None:
        self._meter.count(now, started, failed=failed, first_item=first_item)
        if self._meter.tracks_in_flight:
            self.generation.deadline = self._meter.next_deadline()

    def _discard(self, now: float, started: float, first_item: float | None) -> None:
        """Remove a call of this generation that counts neither as a success nor as a failure."""
        if self.generation.state is _HALF_OPEN:
            self._release_probe(started)
        elif self._meter.tracks_in_flight:
            self._meter.discard(now, started, first_item)
            self.generation.deadline = self._meter.next_deadline()

    @property
    def tracks_in_flight(self) -> bool:
        """Whether the trip policy needs the begin and the first item of every call."""
        return self._meter.tracks_in_flight

    # From closed to open

    def _check_trip(self, now: float) -> None:
        """Open if the trip policy's limit is reached."""
        trip = self._meter.trip(now)
        mode = self.generation.mode
        if trip is None or mode is Mode.DISABLED or now < self._would_be_open_until:
            return
        causes = self._latest_failures(trip.failures)
        why = f"{trip.reason}: {summarize_failures(causes)}" if causes else trip.reason
        if mode is Mode.METRICS_ONLY:
            self._would_be_open_until = now + self.settings.open_seconds(1, self._draw())
            would = f"would have opened: {why}"
            state = self.generation.state
            self._remember(Transition(self._wall_clock(), state, state, would, causes))
        else:
            self._transition_to(_OPEN, why, now, causes)

    # From half-open to closed or open

    def _check_recovery(self, now: float) -> None:
        """Close if enough probes have succeeded."""
        succeeded = self.generation.probe_successes
        if succeeded >= self.settings.successes_to_close:
            reason = "probe succeeded" if succeeded == 1 else f"{succeeded} probes succeeded"
            self._transition_to(_CLOSED, reason, now)

    def _on_probe_failure(self, reason: str, now: float) -> None:
        causes = self._latest_failures(1)
        self._transition_to(_OPEN, f"probe failed: {reason}", now, causes)

    def release(self, generation: Generation, started: float) -> None:
        """Let go of a call whose settlement was interrupted; harmless if it was settled before."""
        if generation is not self.generation:
            return
        if generation.state is _HALF_OPEN:
            self._release_probe(started)
        elif self._meter.tracks_in_flight:
            self._meter.discard(self._clock(), started, None)

    def _release_probe(self, started: float) -> None:
        generation = self.generation
        if started in generation.probe_starts:  # else an interrupted settlement has done it
            generation.probe_starts.remove(started)
        generation.deadline = inf
        if generation.probe_starts:
            generation.deadline = generation.probe_starts[0] + self.settings.probe_timeout

    # What time alone causes

    def advance(self, now: float) -> None:
        """Make every transition that is due by `now`, each at the moment it fell due."""
        while now >= (due := self.generation.deadline):
            generation = self.generation
            if generation.state is _OPEN:
                what = "Retry-After" if generation.lengthened else "recovery timeout"
                reason = f"{what} of {generation.open_seconds:.4g} s is over"
                self._transition_to(_HALF_OPEN, reason, due)
            elif generation.state is _HALF_OPEN:
                seconds = due - generation.probe_starts[0]
                reason = f"no result within {seconds:g} s"
                self.counters.consecutive_failures += 1
                self._failures.append((due, reason, seconds))
                self._on_probe_failure(reason, due)
            else:
                self._meter.expire(due)
                generation.deadline = self._meter.next_deadline()
                self._check_trip(due)

    # Commands

    def command(self, mode: Mode, state: State, reason: str, now: float) -> None:
        """Carry out a manual command."""
        self.advance(now)
        self._would_be_open_until = -inf
        self._transition_to(state, reason, now, mode=mode)

    def configure(self, settings: BreakerSettings, now: float) -> None:
        """Replace the settings, as `CircuitBreaker.configure()` describes."""
        self.advance(now)
        generation = self.generation
        if settings.trip != self.settings.trip:
            self._meter = isolated_meter(settings.trip, self.counters)
            if generation.state is _CLOSED:
                generation.deadline = self._meter.next_deadline()
        self.settings = settings
        self._tunables = None
        if generation.state is not _OPEN:
            generation.open_seconds = settings.open_seconds(self._openings + 1, 0.0)
        if generation.state is _HALF_OPEN:
            if generation.probe_starts:  # a probe that is overdue now fails now, not earlier
                oldest = generation.probe_starts[0]
                generation.deadline = max(now, oldest + settings.probe_timeout)
            self._check_recovery(now)
        self.refresh()

    def forget_calls_in_flight(self) -> None:
        """Start a generation without calls in flight, in the same state."""
        current = self.generation
        if current.state is _CLOSED and not self._meter.tracks_in_flight:
            return
        current.end()
        fresh = Generation(
            current.number + 1,
            current.state,
            current.mode,
            current.why,
            current.entered,
            current.open_seconds,
        )
        if current.state is _OPEN:
            fresh.deadline = fresh.rejects_until = current.deadline
            fresh.lengthened = current.lengthened
        fresh.probe_successes = current.probe_successes
        self._meter.forget_calls_in_flight()
        self.generation = fresh
        if current.state is _CLOSED:
            fresh.deadline = self._meter.next_deadline()
        self.refresh()

    # The transition itself

    def _transition_to(
        self,
        state: State,
        reason: str,
        now: float,
        causes: tuple[Failure, ...] = (),
        *,
        mode: Mode | None = None,
    ) -> None:
        """Move to `state` at `now`, which may be in the past, and start a generation."""
        previous = self.generation
        counters = self.counters
        moves = previous.state is not state
        at = self._wall_clock() - (self._clock() - now)
        entered = now if moves else previous.entered
        generation = Generation(
            previous.number + 1, state, mode or previous.mode, reason, entered, 0.0
        )
        if state is _OPEN:
            self._start_opening(generation, now)
        elif state is _CLOSED:
            self._openings = 0
            self._retry_not_before = -inf
            self._meter.clear()
            counters.consecutive_failures = 0
            self._failures.clear()
        if state is not _OPEN:
            first = 1 if state is _CLOSED else self._openings + 1
            generation.open_seconds = self.settings.open_seconds(first, 0.0)
        previous.end()
        self.generation = generation
        if moves:
            counters.state_seconds[previous.state] += now - previous.entered
            counters.transitions[previous.state, state] += 1
            counters.changed_at = at
        self._remember(Transition(at, previous.state, state, reason, causes))
        self.refresh()

    def _start_opening(self, generation: Generation, now: float) -> None:
        """Decide how long this opening lasts; only a late `Retry-After` changes it."""
        self._openings += 1
        seconds = self.settings.open_seconds(self._openings, self._draw())
        lengthened = self._retry_not_before > now + seconds
        if lengthened:
            seconds = self._retry_not_before - now
        generation.open_for(now, seconds, lengthened=lengthened)

    def refresh(self) -> None:
        """Recompute what the current generation may do without the lock."""
        generation = self.generation
        closed = generation.state is _CLOSED
        generation.admits_freely = closed and not self._meter.tracks_in_flight
        generation.counts_freely = (
            closed
            and self.counters.consecutive_failures == 0
            and not self._meter.counts_calls
            and not self.settings.classifier.judges_results
            and not self._calls.listeners
        )

    def _remember(self, transition: Transition) -> None:
        self._history.append(transition)
        self._history_copy = None
        # A listener that resets the breaker at every event is not told of what that left as it was.
        if transition.from_state is not transition.to_state or not self._events.delivers_here():
            self._events.put(self._events.transitions, transition)

    def _latest_failures(self, count: int) -> tuple[Failure, ...]:
        wall_zero = self._wall_clock() - self._clock()
        latest = tuple(self._failures)[-count:] if count else ()
        return tuple(Failure(wall_zero + at, reason, seconds) for at, reason, seconds in latest)

    # Snapshot

    def snapshot(self, now: float, in_flight: int) -> BreakerSnapshot:
        """Return a consistent snapshot."""
        counters = self.counters
        generation = self.generation
        if (history := self._history_copy) is None:
            history = self._history_copy = tuple(self._history)
        if (tunables := self._tunables) is None:
            tunables = self._tunables = tunables_of(self.settings)
        seconds_in_state = now - generation.entered
        state_seconds = counters.state_seconds.copy()
        state_seconds[generation.state] += seconds_in_state
        return BreakerSnapshot(
            name=self._name,
            state=generation.state,
            mode=generation.mode,
            why=generation.why,
            changed_at=counters.changed_at,
            seconds_in_state=seconds_in_state,
            retry_after=self._until_recovery(now),
            recovery_timeout=generation.open_seconds,
            calls=counters.calls(),
            late=counters.late,
            unsent=counters.unsent,
            in_flight=in_flight,
            probes=len(generation.probe_starts),
            successes_missing=self._successes_missing(),
            consecutive_failures=counters.consecutive_failures,
            gauges=self._meter.gauges(now),
            history=history,
            transitions=TransitionCounts(counters.transitions),
            state_seconds=state_seconds,
            durations=counters.durations(),
            tunables=tunables,
        )

    def _successes_missing(self) -> int | None:
        generation = self.generation
        if generation.state is not _HALF_OPEN or generation.mode is not _AUTOMATIC:
            return None
        return self.settings.successes_to_close - generation.probe_successes

    def _until_recovery(self, now: float) -> float | None:
        generation = self.generation
        if generation.state is _OPEN and generation.deadline != inf:
            return max(0.0, generation.deadline - now)
        return None
