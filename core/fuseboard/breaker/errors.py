"""What a breaker raises."""

from __future__ import annotations

from enum import Enum
from typing import cast

from fuseboard.breaker.durations import format_duration
from fuseboard.breaker.state import State


class RejectedBecause(Enum):
    """Why a breaker did not admit a call."""

    OPEN = "open"
    """The recovery timeout is not over."""
    HALF_OPEN_FULL = "half_open_full"
    """As many probes as allowed are under way."""
    FORCED_OPEN = "forced_open"
    """Somebody forced the breaker open."""


class CircuitOpenError(Exception):
    """A breaker rejected a call without trying it.

    A new instance is made for every rejection. It can be pickled.
    """

    def __init__(
        self,
        breaker_name: str,
        state: State,
        rejected_because: RejectedBecause,
        since: float,
        open_seconds: float,
        why: str,
        retry_after: float | None,
        /,
    ) -> None:
        # All of it is in `args`, where an exception is pickled from, and where keeping it
        # costs least: an open breaker makes many of these.
        pass

    @property
    def breaker_name(self) -> str:
        """The breaker."""
        return cast("str", self.args[0])

    @property
    def state(self) -> State:
        """Its state, OPEN or HALF_OPEN."""
        return cast("State", self.args[1])

    @property
    def rejected_because(self) -> RejectedBecause:
        """Why it did not admit the call."""
        return cast("RejectedBecause", self.args[2])

    @property
    def since(self) -> float:
        """When the breaker came into this state, Unix seconds."""
        return cast("float", self.args[3])

    @property
    def open_seconds(self) -> float:
        """How long it had been in this state, seconds."""
        return cast("float", self.args[4])

    @property
    def why(self) -> str:
        """Why it came into this state."""
        return cast("str", self.args[5])

    @property
    def retry_after(self) -> float | None:
        """Seconds until another try may be admitted; `None` if nobody can say."""
        return cast("float | None", self.args[6])

    def __str__(self) -> str:
        said = f"circuit breaker {self.breaker_name!r} is {self.state.name}"
        said += f" for {format_duration(self.open_seconds)} ({self.why})"
        if self.rejected_because is RejectedBecause.HALF_OPEN_FULL:
            said += "; its probes are under way"
        if self.retry_after is None:
            return f"{said}; it stays so until it is reset"
        return f"{said}; try again in {format_duration(self.retry_after)}"
