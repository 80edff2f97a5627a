"""The states of the last minutes, as a strip."""

from __future__ import annotations

from itertools import groupby

from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard.breaker.state import State
from fuseboard.snapshot.snapshot import Snapshot
from fuseboard_tui.text.charts import strip
from fuseboard_tui.text.glyphs import GLYPHS, STATE_CLASSES, UNKNOWN
from fuseboard_tui.widgets.lines import LinesWidget, Span

_SECONDS = 300


class StateStrip(LinesWidget):
    """Draws one breaker's last five minutes."""

    def show(self, snapshot: Snapshot, breaker: BreakerSnapshot | None) -> None:
        """Draw a breaker of a snapshot."""
        width = self.size.width - 2
        if breaker is None or width < 1:
            self.draw([])
            return
        cells = strip(
            breaker.history,
            breaker.state,
            now=snapshot.taken_at,
            known_since=snapshot.taken_at - snapshot.uptime,
            seconds=_SECONDS,
            width=width,
        )
        self.draw([(" ", *(_run(state, len(list(run))) for state, run in groupby(cells)))])


def _run(state: State | None, length: int) -> Span:
    if state is None:
        return UNKNOWN * length, "quiet"
    return GLYPHS[state] * length, STATE_CLASSES[state]
