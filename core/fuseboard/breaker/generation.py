"""What lies between two transitions of a breaker."""

from __future__ import annotations

from collections import deque
from math import inf

from fuseboard.breaker.state import Mode, State

_CLOSED, _OPEN = State.CLOSED, State.OPEN
_AUTOMATIC = Mode.AUTOMATIC


class Generation:
    """One stay of a breaker in one state, from a transition to the next.

    Every call carries the generation that it was admitted in; by it a late
    result is recognised. A transition replaces the whole object at once, so
    that code which reads it without the lock never sees half a transition.
    """

    __slots__ = (
        "admits_freely",
        "counts_freely",
        "deadline",
        "entered",
        "lengthened",
        "mode",
        "number",
        "open_seconds",
        "probe_starts",
        "probe_successes",
        "rejects_until",
        "state",
        "why",
    )

    def __init__(
        self, number: int, state: State, mode: Mode, why: str, entered: float, open_seconds: float
    ) -> None:
        self.number = number
        self.state = state
        self.mode = mode
        self.why = why
        """Why the breaker came into this state."""
        self.entered = entered
        """When it came into this state, on its clock; a command may leave it in that state."""
        self.open_seconds = open_seconds
        """The length of this opening, or of the next one, seconds."""
        self.lengthened = False
        """Whether a `Retry-After` made this opening longer."""
        self.deadline = inf
        """When time alone will cause the next transition."""
        self.rejects_until = -inf
        """Until when every call is rejected, whatever happens."""
        self.probe_starts: deque[float] = deque()
        """When each probe under way was admitted."""
        self.probe_successes = 0
        self.admits_freely = False
        """Whether calls are admitted without the lock."""
        self.counts_freely = False
        """Whether a success changes nothing but the counters, and needs no lock."""

    def open_for(self, now: float, seconds: float, *, lengthened: bool) -> None:
        """Decide how long this opening lasts, counted from `now`."""
        self.open_seconds = seconds
        self.lengthened = lengthened
        if self.mode is _AUTOMATIC:
            self.deadline = now + seconds
        self.rejects_until = self.deadline

    def end(self) -> None:
        """Take back every permission to go on without the lock."""
        self.admits_freely = self.counts_freely = False
        self.rejects_until = -inf
