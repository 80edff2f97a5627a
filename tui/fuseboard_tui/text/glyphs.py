"""Glyph, style and label of each state, so that none is shown by colour alone."""

from __future__ import annotations

from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard.breaker.state import Mode, State

GLYPHS = {State.CLOSED: "●", State.OPEN: "■", State.HALF_OPEN: "◐"}
UNKNOWN = "·"
"""Stands for a time before the breaker was known."""

STATE_CLASSES = {
    State.CLOSED: "state--closed",
    State.OPEN: "state--open",
    State.HALF_OPEN: "state--half-open",
}


def state_label(breaker: BreakerSnapshot) -> str:
    """Return the label of a breaker's state, or of its mode if that is not automatic."""
    if breaker.mode is Mode.AUTOMATIC:
        return breaker.state.name
    mode: str = breaker.mode.value
    return mode.upper()
