"""The error that a breaker raises."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, cast

from fuseboard.breaker.durations import format_duration
from fuseboard.breaker.state import State


class RejectedBecause(Enum):
    """Why a breaker did not admit a call."""

    OPEN = "open"
    """The recovery timeout is not over."""
    HALF_OPEN_FULL = "half_open_full"
    """As many probes as the settings allow are under way."""
    FORCED_OPEN = "forced_open"
    """A manual command forced the breaker open."""


class CircuitOpenError(Exception):
    """Raised when a breaker rejects a call without making it.

    Every rejection is a new instance. It can be pickled.
    """

    # The values stay in `args`, from which an exception is pickled and where storing them costs
    # least: an open breaker makes many of these. So there is no __init__() but Python's own.
    if TYPE_CHECKING:

        def __init__(
            self,
            breaker_name: str,
            state: State,
            rejected_because: RejectedBecause,
            since: float,
            open_seconds: float,
            why: str,
            retry_after: float | None,
            breaker_id: int = 0,
            /,
        ) -> None: ...

    @property
    def breaker_name(self) -> str:
        """The breaker's name."""
        return cast("str", self.args[0])

    @property
    def state(self) -> State:
        """The breaker's state, OPEN or HALF_OPEN."""
        return cast("State", self.args[1])

    @property
    def rejected_because(self) -> RejectedBecause:
        """Why the breaker did not admit the call."""
        return cast("RejectedBecause", self.args[2])

    @property
    def since(self) -> float:
        """When the breaker came into this state, Unix seconds."""
        return cast("float", self.args[3])

    @property
    def open_seconds(self) -> float:
        """How long the breaker had been in this state, seconds."""
        return cast("float", self.args[4])

    @property
    def why(self) -> str:
        """Why the breaker came into this state."""
        return cast("str", self.args[5])

    @property
    def retry_after(self) -> float | None:
        """Seconds until a call may be admitted; `None` if that takes a manual command.

        While probes are under way, when one of them will end is not known:
        this is a short time after which to try again.
        """
        return cast("float | None", self.args[6])

    def is_from(self, breaker: object) -> bool:
        """Return whether it was this breaker that rejected the call, not one of the same name."""
        return self.args[7:] == (id(breaker),)

    def __str__(self) -> str:
        text = f"circuit breaker {self.breaker_name!r} is {self.state.name}"
        text += f" for {format_duration(self.open_seconds)} ({self.why})"
        if self.rejected_because is RejectedBecause.HALF_OPEN_FULL:
            text += "; its probes are under way"
        if self.retry_after is None:
            return f"{text}; it stays so until it is reset"
        return f"{text}; try again in {format_duration(self.retry_after)}"
