"""Records of what happened to a breaker: its transitions, calls and failures."""

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
    """When the call was settled, Unix seconds."""
    reason: str
    """A short, stable text: `HTTP 500`, `ReadTimeout`. Never a prompt."""
    seconds: float
    """How long the call took."""


@dataclass(frozen=True, slots=True)
class Call:
    """One admitted call that was settled, whatever its verdict."""

    at: float
    """When the call was settled, Unix seconds."""
    ruling: Ruling
    seconds: float
    """How long the call took."""
    first_item: float | None
    """Seconds to the first item of its stream; `None` if it streamed nothing."""
    late: bool
    """Whether a transition came before its end, so that its verdict did not count."""


@dataclass(frozen=True, slots=True)
class Transition:
    """One transition of a breaker from state to state.

    Two events that leave the state as it is are recorded too, with
    `from_state` equal to `to_state`, and are not counted as transitions: a
    manual command to enter the state that the breaker is in, and the moment at
    which a breaker that only measures would have opened.
    """

    at: float
    """When it took effect, Unix seconds."""
    from_state: State
    to_state: State
    reason: str
    """Why, as a text for people."""
    causes: tuple[Failure, ...] = ()
    """The failures that led to it, oldest first."""


def summarize_failures(failures: Iterable[Failure]) -> str:
    """Count failures by reason, most frequent first: `3× ReadTimeout, 2× HTTP 500`."""
    counts = Counter(failure.reason for failure in failures)
    return ", ".join(f"{count}× {reason}" for reason, count in counts.most_common())
