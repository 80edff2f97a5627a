"""The glyph and the words of each state: never colour alone."""

from __future__ import annotations

from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard.breaker.state import Mode, State

GLYPHS = {State.CLOSED: "●", State.OPEN: "■", State.HALF_OPEN: "◐"}
UNKNOWN = "·"

STATE_CLASSES = {
    State.CLOSED: "state--closed",
    State.OPEN: "state--open",
    State.HALF_OPEN: "state--half-open",
}


def state_label(breaker: BreakerSnapshot) -> str:
    """Name the state, and who holds it there if a person does."""
    if breaker.mode is Mode.AUTOMATIC:
        return breaker.state.name
    held: str = breaker.mode.value
    return held.upper()
