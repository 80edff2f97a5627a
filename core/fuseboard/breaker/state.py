"""The states of a breaker, and who decides them."""

from __future__ import annotations

from enum import Enum, IntEnum


class State(IntEnum):
    """Where a breaker stands; the value is the one its gauge exports."""

    CLOSED = 0
    """Calls flow."""
    OPEN = 1
    """Calls are rejected until the recovery timeout is over."""
    HALF_OPEN = 2
    """A few probes flow; their verdicts decide what comes next."""


class Mode(Enum):
    """Who decides a breaker's state."""

    AUTOMATIC = "automatic"
    """The trip policy, the clock and the probes."""
    FORCED_OPEN = "forced open"
    """A person: every call is rejected until `reset()`."""
    DISABLED = "disabled"
    """A person: every call is admitted and counted until `reset()`."""
    METRICS_ONLY = "metrics only"
    """A person: the same, and the history says when it would have opened."""
