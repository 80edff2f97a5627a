"""A breaker that another library decides: it is reported here, displayed and exported."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from fuseboard.breaker.counters import Counters
from fuseboard.breaker.fork import renewed_lock
from fuseboard.breaker.live_object import LiveObject
from fuseboard.breaker.names import check_name
from fuseboard.breaker.outcome import Verdict
from fuseboard.breaker.records import Transition
from fuseboard.breaker.snapshot import BreakerSnapshot, TransitionCounts
from fuseboard.breaker.state import Mode, State
from fuseboard.breaker.validation import NumberKind, plain_number

_HISTORY_SIZE = 100


class ExternalBreaker(LiveObject):
    """A breaker known only by what its owner reports. Every method is thread-safe.

    A state is a `State`, its number or its name.

    Raises:
        TypeError, ValueError: If no breaker can have that name.
    """

    def __init__(
        self,
        name: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = check_name(name)
        self._clock = clock
        self._lock = renewed_lock(self)
        self._counters = Counters(changed_at=time.time())
        self._state = State.CLOSED
        self._entered = clock()
        self._history: deque[Transition] = deque(maxlen=_HISTORY_SIZE)

    def count_call(self, status: str) -> None:
        """Count a call that ended as `success`, `failure`, `rejected` or `ignored`.

        Raises:
            ValueError: If `status` is none of these.
        """
        with self._lock:
            if status == "rejected":
                self._counters.count_rejection()
                return
            match Verdict(status):
                case Verdict.SUCCESS:
                    self._counters.success += 1
                case Verdict.FAILURE:
                    self._counters.failure += 1
                case Verdict.IGNORED:
                    self._counters.ignored += 1

    def set_state(self, state: State | int | str) -> None:
        """Set the state; the owner reports the transition separately.

        Raises:
            ValueError: If `state` is none.
        """
        entered = _to_state(state)
        with self._lock:
            self._enter(entered)

    def count_transition(self, from_state: State | int | str, to_state: State | int | str) -> None:
        """Count a transition and set the state it led to.

        Raises:
            ValueError: If no breaker makes that transition.
        """
        left, entered = _to_state(from_state), _to_state(to_state)
        with self._lock:
            if (left, entered) not in self._counters.transitions:
                raise ValueError(f"no breaker goes from {left.name} to {entered.name}")
            self._counters.transitions[left, entered] += 1
            self._history.append(Transition(time.time(), left, entered, "reported"))
            self._enter(entered)

    def set_consecutive_failures(self, count: int) -> None:
        """Set how many calls have failed since the last success.

        Raises:
            TypeError, ValueError: If `count` is no whole number of at least 0.
        """
        plain = NumberKind.AMOUNT.check("the number of failures", count)
        with self._lock:
            self._counters.consecutive_failures = plain

    def snapshot(self) -> BreakerSnapshot:
        """Return a consistent snapshot of what has been reported."""
        with self._lock:
            counters = self._counters
            seconds_in_state = self._clock() - self._entered
            state_seconds = counters.state_seconds.copy()
            state_seconds[self._state] += seconds_in_state
            return BreakerSnapshot(
                name=self.name,
                state=self._state,
                mode=Mode.AUTOMATIC,
                why="reported",
                changed_at=counters.changed_at,
                seconds_in_state=seconds_in_state,
                retry_after=None,
                recovery_timeout=None,
                calls=counters.calls(),
                late=0,
                unsent=0,
                in_flight=0,
                probes=0,
                consecutive_failures=counters.consecutive_failures,
                gauges=(),
                history=tuple(self._history),
                transitions=TransitionCounts(counters.transitions),
                state_seconds=state_seconds,
                durations=counters.durations(),
            )

    def _enter(self, state: State) -> None:
        if state is self._state:
            return
        now = self._clock()
        self._counters.state_seconds[self._state] += now - self._entered
        self._counters.changed_at = time.time()
        self._entered = now
        self._state = state


def _to_state(state: State | int | str) -> State:
    if isinstance(state, str):
        name = state.upper().replace("-", "_")
        if name in State.__members__:
            return State[name]
    elif isinstance(plain := plain_number(state), int) and plain in list(State):
        return State(plain)
    raise ValueError(f"a state is CLOSED, OPEN or HALF_OPEN, or 0, 1 or 2, not {state!r}")
