"""The states of a breaker, who decides them, and what a call's outcome can be."""

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


class Verdict(Enum):
    """What a settled call says about the guarded service."""

    SUCCESS = "success"
    """The service did its work."""
    FAILURE = "failure"
    """The service did not."""
    IGNORED = "ignored"
    """Nothing: the caller's own mistake, or the caller stopped it."""
