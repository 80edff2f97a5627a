"""A second, slow implementation of the breaker, for property tests to compare with the real one.

It stores every call and computes each result anew. It shares only the settings
with the real breaker, and was written from the documentation alone.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from fuseboard import (
    Backoff,
    BreakerSettings,
    ConsecutiveFailures,
    CountWindow,
    FailureRate,
    Mode,
    SlowCallRate,
    State,
    TimeWindow,
    TripPolicy,
)
from fuseboard.breaker.policies.base import AllOf, AnyOf
from fuseboard.breaker.policies.windows import Window


@dataclass
class Admitted:
    """An admitted call, under way or ended."""

    generation: int
    at: float
    first_item: float | None = None
    ended: float | None = None
    outcome: str = ""
    turn: int = 0  # the order among calls that ended; 0 sorts before all others of the same time

    def slowness(self, now: float, *, by_first_item: bool) -> float:
        """Return the seconds that it took, or has taken so far."""
        if by_first_item and self.first_item is not None:
            return self.first_item
        return (now if self.ended is None else self.ended) - self.at


@dataclass
class BreakerModel:
    settings: BreakerSettings
    now: float
    draw: float
    state: State = State.CLOSED
    mode: Mode = Mode.AUTOMATIC
    since: float = 0.0
    generation: int = 0
    calls: list[Admitted] = field(default_factory=list)  # of this generation, if closed
    consecutive_failures: int = 0
    openings: int = 0
    open_until: float | None = None
    retry_after_ends: list[float] = field(default_factory=list)  # since closed
    probe_successes: int = 0
    would_be_open_until: float | None = None
    would_have_opened: int = 0
    turns: int = 0
    under_way: list[Admitted] = field(default_factory=list)
    totals: Counter[str] = field(default_factory=Counter)
    transitions: Counter[tuple[State, State]] = field(default_factory=Counter)
    seconds_spent: dict[State, float] = field(default_factory=lambda: dict.fromkeys(State, 0.0))

    def __post_init__(self) -> None:
        self.since = self.now

    # Inputs

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self._next_due()) is not None and due <= end:
            self.now = due
            if self.state is State.OPEN:
                self._transition_to(State.HALF_OPEN, due)
            elif self.state is State.HALF_OPEN:
                self.consecutive_failures += 1
                self._transition_to(State.OPEN, due)
            elif self._should_trip(self.settings.trip):
                self._trip()
        self.now = end

    def begin(self) -> bool:
        if self.state is State.OPEN:
            self.totals["rejected"] += 1
            return False
        if self.state is State.HALF_OPEN and len(self._probes()) >= self.settings.max_probes:
            self.totals["rejected"] += 1
            return False
        call = Admitted(self.generation, self.now)
        self.under_way.append(call)
        if self.state is State.CLOSED:
            self.calls.append(call)
        return True

    def first_item(self, place: int) -> None:
        call = self.under_way[place]
        if call.first_item is None:
            call.first_item = self.now - call.at

    def end(self, place: int, outcome: str, retry_after: float | None) -> None:
        call = self.under_way.pop(place)
        self.turns += 1
        call.ended, call.outcome, call.turn = self.now, outcome, self.turns
        self.totals["ignored" if outcome == "unsent" else outcome] += 1
        self.totals["unsent"] += outcome == "unsent"
        if call.generation != self.generation:
            self.totals["late"] += 1
            if outcome == "failure" and retry_after is not None:
                self._lengthen(call.generation, retry_after)
            return
        if outcome not in {"success", "failure"}:
            return
        failed = outcome == "failure"
        self.consecutive_failures = self.consecutive_failures + 1 if failed else 0
        if failed and retry_after is not None:
            self.retry_after_ends.append(
                self.now + min(retry_after, self.settings.longest_retry_after)
            )
        if self.state is State.HALF_OPEN:
            if failed:
                self._transition_to(State.OPEN, self.now)
            else:
                self.probe_successes += 1
                if self.probe_successes >= self.settings.successes_to_close:
                    self._transition_to(State.CLOSED, self.now)
            return
        if self._should_trip(self.settings.trip):
            self._trip()

    def _lengthen(self, generation: int, retry_after: float) -> None:
        if self.state is State.OPEN and generation == self.generation - 1:
            until = self.now + min(retry_after, self.settings.longest_retry_after)
            self.retry_after_ends.append(until)
            if self.open_until is not None:
                self.open_until = max(self.open_until, until)

    def command(self, name: str) -> None:
        self.mode = {
            "force_open": Mode.FORCED_OPEN,
            "disable": Mode.DISABLED,
            "only_measure": Mode.METRICS_ONLY,
        }.get(name, Mode.AUTOMATIC)
        self.would_be_open_until = None
        self._transition_to(
            State.OPEN if name in {"trip", "force_open"} else State.CLOSED, self.now
        )

    # Outputs

    @property
    def retry_after(self) -> float | None:
        if self.state is not State.OPEN or self.open_until is None:
            return None
        return self.open_until - self.now

    def seconds_in(self, state: State) -> float:
        seconds_spent = self.seconds_spent[state]
        return seconds_spent + self.now - self.since if state is self.state else seconds_spent

    # How it decides

    def _probes(self) -> list[Admitted]:
        if self.state is not State.HALF_OPEN:
            return []
        return [call for call in self.under_way if call.generation == self.generation]

    def _next_due(self) -> float | None:
        if self.state is State.OPEN:
            return self.open_until
        if self.state is State.CLOSED:
            return self._next_expiry()
        return min(
            (probe.at + self.settings.probe_timeout for probe in self._probes()), default=None
        )

    def _next_expiry(self) -> float | None:
        expiries = [
            call.at + policy.seconds
            for policy in _slow_in_flight(self.settings.trip)
            for call in self.calls
            if call.ended is None and not (policy.first_item and call.first_item is not None)
        ]
        return min((expiry for expiry in expiries if expiry > self.now), default=None)

    def _trip(self) -> None:
        if self.mode is Mode.AUTOMATIC:
            self._transition_to(State.OPEN, self.now)
        elif self.mode is Mode.METRICS_ONLY:
            quiet_until = self.would_be_open_until
            if quiet_until is None or self.now >= quiet_until:
                self.would_have_opened += 1
                self.would_be_open_until = self.now + self._length(1)

    def _length(self, opening: int) -> float:
        timeout = self.settings.recovery_timeout
        if not isinstance(timeout, Backoff):
            return timeout
        seconds = timeout.initial
        for _ in range(opening - 1):
            seconds = min(timeout.cap, seconds * timeout.multiplier)
        return seconds * (1 - timeout.jitter * self.draw)

    def _transition_to(self, state: State, at: float) -> None:
        if state is not self.state:
            self.seconds_spent[self.state] += at - self.since
            self.transitions[self.state, state] += 1
            self.since = at
        self.state = state
        self.generation += 1
        self.probe_successes = 0
        self.open_until = None
        if state is State.CLOSED:
            self.calls = []
            self.retry_after_ends.clear()
            self.consecutive_failures = self.openings = 0
        if state is State.OPEN:
            self.openings += 1
            until = max([at + self._length(self.openings), *self.retry_after_ends])
            self.open_until = until if self.mode is Mode.AUTOMATIC else None

    def _should_trip(self, policy: TripPolicy) -> bool:
        match policy:
            case ConsecutiveFailures(threshold):
                return self.consecutive_failures >= threshold
            case AnyOf(policies):
                return any(self._should_trip(each) for each in policies)
            case AllOf(policies):
                return all(self._should_trip(each) for each in policies)
            case FailureRate(rate, over, minimum):
                ends = [
                    (call.ended, call.turn, call.outcome == "failure")
                    for call in self.calls
                    if call.ended is not None and call.outcome in {"success", "failure"}
                ]
                return self._share_reached(rate, over, minimum, ends)
            case SlowCallRate():
                return self._share_reached(
                    policy.rate, policy.over, policy.minimum_calls, self._known_slowness(policy)
                )
        raise AssertionError(policy)

    def _known_slowness(self, policy: SlowCallRate) -> list[tuple[float, int, bool]]:
        """Return for each call when it was known whether it is slow, its turn, and if it is."""
        known = []
        for call in self.calls:
            slowness = call.slowness(self.now, by_first_item=policy.first_item)
            if policy.in_flight and slowness >= policy.seconds:
                known.append((call.at + policy.seconds, 0, True))
            elif call.ended is not None and call.outcome in {"success", "failure"}:
                known.append((call.ended, call.turn, slowness > policy.seconds))
        return known

    def _share_reached(
        self, rate: float, over: Window, minimum: int, known: list[tuple[float, int, bool]]
    ) -> bool:
        known.sort()
        match over:
            case CountWindow(calls):
                window = known[-calls:]
            case TimeWindow(seconds):
                width = seconds / 20
                this_step = self.now // width
                window = [entry for entry in known if this_step - entry[0] // width < 20]
            case _:
                raise AssertionError(over)
        hits = sum(hit for _, _, hit in window)
        return len(window) >= minimum and hits > 0 and hits / len(window) >= rate


def _slow_in_flight(policy: TripPolicy) -> list[SlowCallRate]:
    match policy:
        case SlowCallRate(in_flight=True):
            return [policy]
        case AnyOf(policies) | AllOf(policies):
            return [found for each in policies for found in _slow_in_flight(each)]
    return []
