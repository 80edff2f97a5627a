"""What is shown in a window that is too small for the board."""

from __future__ import annotations

from fuseboard.snapshot.snapshot import Snapshot
from fuseboard_tui.board.breakpoints import SMALLEST
from fuseboard_tui.text.glyphs import GLYPHS, STATE_CLASSES, state_label
from fuseboard_tui.text.sanitize import sanitize
from fuseboard_tui.widgets.lines import Line, Rows


class TooSmall(Rows):
    """Draws the breakers' states, and how large the window should be."""

    def show(self, snapshot: Snapshot) -> None:
        """Draw a snapshot."""
        width, height = SMALLEST

        def row(number: int) -> Line:
            if number == 0:
                return (f"window too small: {width}×{height} is needed",)
            breaker = snapshot.breakers[number - 1]
            words = f"{GLYPHS[breaker.state]} {state_label(breaker)} {sanitize(breaker.name, 40)}"
            return ((words, STATE_CLASSES[breaker.state]),)

        self.draw_rows(row, count=1 + len(snapshot.breakers))
