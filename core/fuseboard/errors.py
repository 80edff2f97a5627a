"""What a breaker raises."""

from __future__ import annotations

from enum import Enum

from fuseboard.durations import in_words
from fuseboard.state import State


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
        *,
        since: float,
        open_seconds: float,
        why: str,
        retry_after: float | None,
    ) -> None:
        super().__init__(breaker_name)
        self.breaker_name = breaker_name
        self.state = state
        self.rejected_because = rejected_because
        self.since = since
        """When the breaker came into this state, Unix seconds."""
        self.open_seconds = open_seconds
        """How long it had been in this state, seconds."""
        self.why = why
        """Why it came into this state."""
        self.retry_after = retry_after
        """Seconds until another try may be admitted; `None` if nobody can say."""

    def __str__(self) -> str:
        said = f"circuit breaker {self.breaker_name!r} is {self.state.name}"
        said += f" for {in_words(self.open_seconds)} ({self.why})"
        if self.rejected_because is RejectedBecause.HALF_OPEN_FULL:
            said += "; its probes are under way"
        if self.retry_after is None:
            return f"{said}; it stays so until it is reset"
        return f"{said}; try again in {in_words(self.retry_after)}"

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.__dict__.copy()))


def _rebuild(kind: type[CircuitOpenError], fields: dict[str, object]) -> CircuitOpenError:
    error = kind.__new__(kind, fields["breaker_name"])
    error.__dict__.update(fields)
    return error
