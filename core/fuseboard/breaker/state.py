"""The states of a breaker, and the modes that decide them."""

from __future__ import annotations

from enum import Enum, IntEnum


class State(IntEnum):
    """The state of a breaker; the value is the one its gauge exports."""

    CLOSED = 0
    """Calls are admitted."""
    OPEN = 1
    """Calls are rejected until the recovery timeout is over."""
    HALF_OPEN = 2
    """A few calls are admitted as probes; their verdicts decide the next state."""


class Mode(Enum):
    """What decides a breaker's state."""

    AUTOMATIC = "automatic"
    """The trip policy, the clock and the probes."""
    FORCED_OPEN = "forced open"
    """A manual command: every call is rejected until `reset()`."""
    DISABLED = "disabled"
    """A manual command: every call is admitted and counted until `reset()`."""
    METRICS_ONLY = "metrics only"
    """As `DISABLED`, and the history records when the breaker would have opened."""
