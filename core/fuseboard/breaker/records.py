"""What a breaker remembers: its transitions, and the failures that led to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from fuseboard.breaker.outcome import Ruling
from fuseboard.breaker.state import State


@dataclass(frozen=True, slots=True)
class Failure:
    """One call that failed."""

    at: float
    """When it was settled, Unix seconds."""
    reason: str
    """Short and stable words: `HTTP 500`, `ReadTimeout`. Never a prompt."""
    seconds: float
    """How long the call took."""


@dataclass(frozen=True, slots=True)
class Call:
    """One admitted call that was settled, whatever its verdict."""

    at: float
    """When it was settled, Unix seconds."""
    ruling: Ruling
    seconds: float
    """How long it took."""
    first_item: float | None
    """Seconds to the first item of what it streamed; `None` if it streamed nothing."""
    late: bool
    """Whether the state had moved on, so that it could move nothing."""


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of a breaker from state to state.

    What happens without a change of state is remembered too, with
    `from_state` equal to `to_state`, and is not counted among the transitions:
    a manual command that finds the breaker where it sends it, and a breaker
    that would have opened if it did more than count.
    """

    at: float
    """When it took effect, Unix seconds."""
    from_state: State
    to_state: State
    reason: str
    """Why, in words."""
    causes: tuple[Failure, ...] = ()
    """The failures that led to it, oldest first."""


def tally(failures: Iterable[Failure]) -> str:
    """Sum failures up by reason, the commonest first: `3× ReadTimeout, 2× HTTP 500`."""
    counts = Counter(failure.reason for failure in failures)
    return ", ".join(f"{count}× {reason}" for reason, count in counts.most_common())
