"""The states of one breaker over the last minutes, as a strip."""

from __future__ import annotations

from itertools import groupby

from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard.breaker.state import State
from fuseboard.snapshot.snapshot import Snapshot
from fuseboard_tui.text.charts import worst_states
from fuseboard_tui.text.glyphs import GLYPHS, STATE_CLASSES, UNKNOWN
from fuseboard_tui.widgets.lines import LinesWidget, Span

_SECONDS = 300
_CLOCK_TOLERANCE = 2.0  # seconds


class StateStrip(LinesWidget):
    """Draw the last five minutes of one breaker, one glyph for each stretch of time."""

    def show(self, snapshot: Snapshot, breaker: BreakerSnapshot | None) -> None:
        """Draw a breaker of a snapshot; nothing if there is none."""
        width = self.size.width - 2
        if breaker is None or width < 1:
            self.draw([])
            return
        cells = worst_states(
            breaker.history,
            breaker.state,
            now=snapshot.taken_at,
            known_since=snapshot.taken_at - snapshot.uptime,
            seconds=_SECONDS,
            width=width,
            clock_step=_clock_step(snapshot, breaker),
        )
        self.draw([(" ", *(_run(state, len(list(run))) for state, run in groupby(cells)))])


def _clock_step(snapshot: Snapshot, breaker: BreakerSnapshot) -> float:
    """Return by how much the wall clock was set since the breaker's last transition, if it was.

    `seconds_in_state` is monotonic, all other times of a breaker are the wall clock's.
    """
    step = snapshot.taken_at - breaker.seconds_in_state - breaker.changed_at
    return step if abs(step) > _CLOCK_TOLERANCE else 0.0


def _run(state: State | None, length: int) -> Span:
    if state is None:
        return UNKNOWN * length, "quiet"
    return GLYPHS[state] * length, STATE_CLASSES[state]
