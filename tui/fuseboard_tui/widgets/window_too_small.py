"""The replacement of the board in a window that is too small for it."""

from __future__ import annotations

from fuseboard.snapshot.snapshot import Snapshot
from fuseboard_tui.text.glyphs import GLYPHS, STATE_CLASSES, state_label
from fuseboard_tui.text.sanitize import sanitize
from fuseboard_tui.widgets.breakpoints import MINIMUM_SIZE
from fuseboard_tui.widgets.lines import Line, ScrollableLines


class WindowTooSmall(ScrollableLines):
    """Draw the required size of the window, and the state of each breaker."""

    def show(self, snapshot: Snapshot) -> None:
        """Draw a snapshot."""
        width, height = MINIMUM_SIZE

        def row(index: int) -> Line:
            if index == 0:
                return (f"window too small: {width}×{height} is needed",)
            breaker = snapshot.breakers[index - 1]
            text = f"{GLYPHS[breaker.state]} {state_label(breaker)} {sanitize(breaker.name, 40)}"
            return ((text, STATE_CLASSES[breaker.state]),)

        self.draw_rows(row, count=1 + len(snapshot.breakers))
