"""A breaker that another library decides: it is reported here, displayed and exported."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from fuseboard.breaker.counters import Counters
from fuseboard.breaker.outcome import Verdict
from fuseboard.breaker.records import Transition
from fuseboard.breaker.snapshot import BreakerSnapshot, TransitionCounts
from fuseboard.breaker.state import Mode, State

_HISTORY_SIZE = 100


class ExternalBreaker:
    """A breaker known only by what its owner reports. Every method is thread-safe."""

    def __init__(
        self,
        name: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._clock = clock
        self._lock = threading.Lock()
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

    def set_state(self, state: State) -> None:
        """Set the state; the owner reports the transition separately."""
        with self._lock:
            self._enter(state)

    def count_transition(self, from_state: State, to_state: State) -> None:
        """Count a transition and set the state it led to.

        Raises:
            ValueError: If no breaker makes that transition.
        """
        with self._lock:
            if (from_state, to_state) not in self._counters.transitions:
                raise ValueError(f"no breaker goes from {from_state.name} to {to_state.name}")
            self._counters.transitions[from_state, to_state] += 1
            self._history.append(Transition(time.time(), from_state, to_state, "reported"))
            self._enter(to_state)

    def set_consecutive_failures(self, count: int) -> None:
        """Set how many calls have failed since the last success."""
        with self._lock:
            self._counters.consecutive_failures = count

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
