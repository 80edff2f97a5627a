"""The states of a breaker and what moves it from one to another.

    CLOSED ── the trip policy says so ──────────────────► OPEN
    OPEN ── the recovery timeout is over ───────────────► HALF_OPEN
    HALF_OPEN ── enough probes succeeded ───────────────► CLOSED
    HALF_OPEN ── a probe failed, or never reported ─────► OPEN

Every transition starts a new generation. A call is admitted in one
generation; if it is settled in a later one, it is counted and moves nothing.

The machine does no I/O and takes no lock: the breaker that owns it holds its
own whenever it calls a method here, and tells it the time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from math import inf

from fuseboard.breaker.counters import BETWEEN_FOLDS, Counters
from fuseboard.breaker.errors import CircuitOpenError, RejectedBecause
from fuseboard.breaker.listeners import EventQueue
from fuseboard.breaker.outcome import Ruling, Verdict
from fuseboard.breaker.records import Call, Failure, Transition, tally
from fuseboard.breaker.settings import BreakerSettings
from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard.breaker.state import Mode, State
from fuseboard.breaker.tunables import Tunable, tunables_of

_REMEMBERED_FAILURES = 20
# Looked up once: until Python 3.12 reading an enum's member costs as much as the lock.
_CLOSED, _OPEN, _HALF_OPEN = State.CLOSED, State.OPEN, State.HALF_OPEN
_AUTOMATIC = Mode.AUTOMATIC
_BECAUSE_OPEN = RejectedBecause.OPEN
_GOOD = Ruling(Verdict.SUCCESS)


class StateMachine:
    """Decides which calls are admitted, and what their verdicts lead to.

    Args:
        name: The breaker's.
        settings: How it decides.
        announcements: Where its events go.
        clock: Seconds that only ever go forward.
        wall_clock: Unix seconds, for what is shown to people.
        draw: A random number, 0-1, for the jitter of the recovery timeout.
        history_size: How many transitions are remembered.
        duration_buckets: Upper bounds of the histogram of durations, seconds.
    """

    __slots__ = (
        "_announcements",
        "_calls",
        "_changed",
        "_clock",
        "_draw",
        "_due",
        "_failures",
        "_generation",
        "_history",
        "_history_copy",
        "_lengthened",
        "_meter",
        "_name",
        "_not_before",
        "_numbers",
        "_open_seconds",
        "_openings",
        "_probe_successes",
        "_probes",
        "_rejections",
        "_wall_clock",
        "_why",
        "_would_be_open_until",
        "free_pass",
        "mode",
        "series",
        "settings",
        "state",
        "uneventful",
    )

    def __init__(
        self,
        name: str,
        settings: BreakerSettings,
        announcements: EventQueue,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        draw: Callable[[], float],
        history_size: int,
        duration_buckets: Sequence[float],
    ) -> None:
        self._name = name
        self._announcements = announcements
        self._calls = announcements.calls
        self._rejections = announcements.rejections
        self._clock = clock
        self._wall_clock = wall_clock
        self._draw = draw
        self.settings = settings
        self.series = Counters(wall_clock(), duration_buckets)
        self._meter = settings.trip.meter(self.series)
        self.state = _CLOSED
        self.mode = _AUTOMATIC
        self._why = "no trouble so far"
        self._changed = clock()
        self._generation = 0
        self._due = inf  # when time alone will cause the next transition
        self._openings = 0  # since it was last closed
        self._open_seconds = settings.open_seconds(1, 0.0)  # of the present or next opening
        self._lengthened = False  # whether a Retry-After made the present opening longer
        self._not_before = -inf  # when a service that sent a Retry-After may be asked again
        self._would_be_open_until = -inf  # in METRICS_ONLY
        self._probes: deque[float] = deque()  # when each probe under way was admitted
        self._probe_successes = 0
        # The latest failures: when, on the clock; why; and how long the call took. They are made
        # presentable only when they are wanted.
        self._failures: deque[tuple[float, str, float]] = deque(maxlen=_REMEMBERED_FAILURES)
        self._history: deque[Transition] = deque(maxlen=history_size)
        self._history_copy: tuple[Transition, ...] | None = ()
        self._numbers: tuple[Tunable, ...] | None = None  # of the settings, once asked for
        self.free_pass: int | None = 0
        """The generation that calls are admitted to without asking, if they are."""
        self.uneventful: int | None = 0
        """The generation in which a success changes nothing but the counters, if any does."""
        self.refresh()

    # Admission

    def admit(self, now: float) -> CircuitOpenError | None:
        """Admit a call, or say why not."""
        if now >= self._due:
            self.advance(now)
        if self.state is _OPEN:
            if self.mode is _AUTOMATIC:
                return self._reject(_BECAUSE_OPEN, self._due - now, now)
            return self._reject(RejectedBecause.FORCED_OPEN, None, now)
        if self.state is _HALF_OPEN:
            if len(self._probes) >= self.settings.max_probes:
                # Nobody knows when a probe will report; by then its slot is free at the latest.
                wait = min(self._open_seconds, self._due - now)
                return self._reject(RejectedBecause.HALF_OPEN_FULL, wait, now)
            self._probes.append(now)
            self._due = self._probes[0] + self.settings.probe_timeout
        elif self._meter.watches_calls:
            self._meter.begin(now)
            self._due = self._meter.due()
        if not self.series.next_ticket() & BETWEEN_FOLDS:
            self.series.fold()
        return None

    @property
    def generation(self) -> int:
        """The generation that a call is admitted to now."""
        return self._generation

    def withdraw(self, generation: int, started: float, now: float) -> None:
        """Undo an admission: the call turned out to begin only later, if at all."""
        self.advance(now)
        self.series.withdrawn += 1
        if generation == self._generation:
            self._end_without_count(now, started, None)

    def _reject(
        self, because: RejectedBecause, retry_after: float | None, now: float
    ) -> CircuitOpenError:
        series = self.series
        series.rejected += 1
        rejection = CircuitOpenError(
            self._name,
            self.state,
            because,
            series.changed_at,
            now - self._changed,
            self._why,
            retry_after,
        )
        if self._rejections.listeners:
            self._announcements.put(self._rejections, rejection)
        return rejection

    # Settlement

    def succeeded(
        self, generation: int, started: float, now: float, first_item: float | None
    ) -> None:
        """Settle an admitted call as a success."""
        self.series.succeeded_after.append(now - started)
        if not self._settle(_GOOD, generation, started, now, first_item):
            return
        self.series.consecutive_failures = 0
        if self.state is _HALF_OPEN:
            self._give_back(started)
            self._probe_succeeded(now)
        elif self._meter.counts_calls:
            self._count(now, started, first_item, failed=False)
            self._consider_tripping(now)
        self.refresh()

    def failed(
        self, ruling: Ruling, generation: int, started: float, now: float, first_item: float | None
    ) -> None:
        """Settle an admitted call as a failure, for the reason that `ruling` gives."""
        seconds = now - started
        self.series.failed_after.append(seconds)
        if not self._settle(ruling, generation, started, now, first_item):
            return
        self.series.consecutive_failures += 1
        self._failures.append((now, ruling.reason, seconds))
        if ruling.retry_after is not None and ruling.retry_after > 0:
            pause = min(ruling.retry_after, self.settings.longest_retry_after)
            self._not_before = max(self._not_before, now + pause)
        if self.state is _HALF_OPEN:
            self._give_back(started)
            self._probe_failed(ruling.reason, now)
        else:
            self.uneventful = None  # until a success has ended the streak
            if self._meter.counts_calls:
                self._count(now, started, first_item, failed=True)
            self._consider_tripping(now)

    def ignored(
        self, ruling: Ruling, generation: int, started: float, now: float, first_item: float | None
    ) -> None:
        """Settle an admitted call as one that proves nothing."""
        self.series.ignored_after.append(now - started)
        if not ruling.sent:
            self.series.unsent += 1
        if self._settle(ruling, generation, started, now, first_item):
            self._end_without_count(now, started, first_item)

    def first_item_came(self, generation: int, started: float, now: float) -> None:
        """Take note of the first item of a call's stream, where the trip policy watches calls."""
        self.advance(now)
        if generation == self._generation and self.state is _CLOSED:
            self._meter.first_item(started)
            self._due = self._meter.due()

    @property
    def watches_calls(self) -> bool:
        """Whether the trip policy wants to be told of the beginning and the first item of calls."""
        return self._meter.watches_calls

    def _settle(
        self, ruling: Ruling, generation: int, started: float, now: float, first_item: float | None
    ) -> bool:
        """Note that a call has ended; returns whether its verdict may move the state."""
        if now >= self._due:
            self.advance(now)
        current = generation == self._generation
        if not current:
            self.series.late += 1
        if self._calls.listeners:
            call = Call(self._wall_clock(), ruling, now - started, first_item, late=not current)
            self._announcements.put(self._calls, call)
        return current

    def _give_back(self, started: float) -> None:
        self._probes.remove(started)
        self._due = inf
        if self._probes:
            self._due = self._probes[0] + self.settings.probe_timeout

    def _count(self, now: float, started: float, first_item: float | None, *, failed: bool) -> None:
        self._meter.count(now, started, failed=failed, first_item=first_item)
        if self._meter.watches_calls:
            self._due = self._meter.due()

    def _end_without_count(self, now: float, started: float, first_item: float | None) -> None:
        if self.state is _HALF_OPEN:
            self._give_back(started)
        elif self._meter.watches_calls:
            self._meter.let_go(now, started, first_item)
            self._due = self._meter.due()

    # Transitions

    def command(self, mode: Mode, state: State, reason: str, now: float) -> None:
        """Do what a person asked for."""
        self.advance(now)
        self.mode = mode
        self._would_be_open_until = -inf
        self.transition_to(state, reason, now)

    def configure(self, settings: BreakerSettings, now: float) -> None:
        """Decide by other settings from now on, as `CircuitBreaker.configure()` says."""
        self.advance(now)
        if settings.trip != self.settings.trip:
            self._meter = settings.trip.meter(self.series)
            if self.state is _CLOSED:
                self._due = self._meter.due()
        self.settings = settings
        self._numbers = None
        if self.state is not _OPEN:
            self._open_seconds = settings.open_seconds(self._openings + 1, 0.0)
        if self._probes:  # what is over by the new settings is over now, not some time ago
            self._due = max(now, self._probes[0] + settings.probe_timeout)
        self.refresh()

    def advance(self, now: float) -> None:
        """Let time act: what is due happens at the moment it fell due."""
        while now >= self._due:
            due = self._due
            if self.state is _OPEN:
                what = "Retry-After" if self._lengthened else "recovery timeout"
                reason = f"{what} of {self._open_seconds:.4g} s is over"
                self.transition_to(_HALF_OPEN, reason, due)
            elif self.state is _HALF_OPEN:
                seconds = due - self._probes[0]
                reason = f"no result within {seconds:g} s"
                self.series.consecutive_failures += 1
                self._failures.append((due, reason, seconds))
                self._probe_failed(reason, due)
            else:
                self._meter.lapse(due)
                self._due = self._meter.due()
                self._consider_tripping(due)

    def transition_to(
        self, state: State, reason: str, now: float, causes: tuple[Failure, ...] = ()
    ) -> None:
        """Move to `state` at `now`, a time that may already have passed."""
        previous = self.state
        at = self._wall_clock() - (self._clock() - now)
        if previous is not state:
            self.series.state_seconds[previous] += now - self._changed
            self.series.transitions[previous, state] += 1
            self.series.changed_at = at
            self._changed = now
        self.state = state
        self._why = reason
        self._generation += 1
        self._probes.clear()
        self._probe_successes = 0
        self._due = inf
        if state is _OPEN:
            self._open(now)
        elif state is _CLOSED:
            self._openings = 0
            self._open_seconds = self.settings.open_seconds(1, 0.0)
            self._not_before = -inf
            self._meter.clear()
            self.series.consecutive_failures = 0
            self._failures.clear()
        self._remember(Transition(at, previous, state, reason, causes))
        self.refresh()

    def refresh(self) -> None:
        """Find out again what may go on without the lock."""
        closed = self.state is _CLOSED
        self.free_pass = self._generation if closed and not self._meter.watches_calls else None
        quiet = (
            closed
            and self.series.consecutive_failures == 0
            and not self._meter.counts_calls
            and not self.settings.rules.judges_results
            and not self._calls.listeners
        )
        self.uneventful = self._generation if quiet else None

    def _open(self, now: float) -> None:
        """Say until when it stays open: decided here, once."""
        self._openings += 1
        self._open_seconds = self.settings.open_seconds(self._openings, self._draw())
        self._lengthened = self._not_before > now + self._open_seconds
        if self._lengthened:
            self._open_seconds = self._not_before - now
        if self.mode is _AUTOMATIC:
            self._due = now + self._open_seconds

    def _consider_tripping(self, now: float) -> None:
        trip = self._meter.trip(now)
        if trip is None or self.mode is Mode.DISABLED or now < self._would_be_open_until:
            return
        causes = self._latest_failures(trip.failures)
        why = f"{trip.reason}: {tally(causes)}" if causes else trip.reason
        if self.mode is Mode.METRICS_ONLY:
            self._would_be_open_until = now + self.settings.open_seconds(1, self._draw())
            would = f"would have opened: {why}"
            self._remember(Transition(self._wall_clock(), self.state, self.state, would, causes))
        else:
            self.transition_to(_OPEN, why, now, causes)

    def _probe_succeeded(self, now: float) -> None:
        self._probe_successes += 1
        if self._probe_successes >= self.settings.successes_to_close:
            one = self._probe_successes == 1
            reason = "probe succeeded" if one else f"{self._probe_successes} probes succeeded"
            self.transition_to(_CLOSED, reason, now)

    def _probe_failed(self, reason: str, now: float) -> None:
        causes = self._latest_failures(1)
        self.transition_to(_OPEN, f"probe failed: {reason}", now, causes)

    def _latest_failures(self, count: int) -> tuple[Failure, ...]:
        wall_zero = self._wall_clock() - self._clock()
        latest = tuple(self._failures)[-count:] if count else ()
        return tuple(Failure(wall_zero + at, reason, seconds) for at, reason, seconds in latest)

    def _remember(self, transition: Transition) -> None:
        self._history.append(transition)
        self._history_copy = None
        self._announcements.put(self._announcements.transitions, transition)

    # Watching it

    def snapshot(self, now: float) -> BreakerSnapshot:
        """Take a consistent picture of the breaker."""
        self.advance(now)
        series = self.series
        in_flight = series.in_flight()
        if self._history_copy is None:
            self._history_copy = tuple(self._history)
        if self._numbers is None:
            self._numbers = tunables_of(self.settings)
        seconds_in_state = now - self._changed
        state_seconds = series.state_seconds.copy()
        state_seconds[self.state] += seconds_in_state
        return BreakerSnapshot(
            name=self._name,
            state=self.state,
            mode=self.mode,
            why=self._why,
            changed_at=series.changed_at,
            seconds_in_state=seconds_in_state,
            retry_after=self._until_recovery(now),
            recovery_timeout=self._open_seconds,
            calls=series.calls(),
            late=series.late,
            unsent=series.unsent,
            in_flight=in_flight,
            probes=len(self._probes),
            successes_missing=self._successes_missing(),
            consecutive_failures=series.consecutive_failures,
            gauges=self._meter.gauges(now),
            history=self._history_copy,
            transitions=series.transitions.copy(),
            state_seconds=state_seconds,
            durations=series.durations(),
            settings=self._numbers,
        )

    def _successes_missing(self) -> int | None:
        if self.state is not _HALF_OPEN or self.mode is not Mode.AUTOMATIC:
            return None
        return self.settings.successes_to_close - self._probe_successes

    def _until_recovery(self, now: float) -> float | None:
        if self.state is _OPEN and self._due != inf:
            return max(0.0, self._due - now)
        return None
