"""What a breaker remembers: its transitions, and the failures that led to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from fuseboard.state import State


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
class Transition:
    """One step of a breaker from state to state.

    A manual command that finds the breaker in the state it asks for is
    remembered too, with `from_state` equal to `to_state`; it is not counted
    among the transitions.
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
