"""What the user ought to know, on a line that takes no room without it."""

from __future__ import annotations

from textual.content import Content

from fuseboard.snapshot import Snapshot
from fuseboard_tui.literal import literal
from fuseboard_tui.widgets.picture import Picture


class NoticeLine(Picture):
    """Draws the notices of a snapshot."""

    def show(self, snapshot: Snapshot) -> None:
        """Draw a snapshot."""
        self.display = bool(snapshot.notices)
        self.draw(Content(" " + "; ".join(literal(notice) for notice in snapshot.notices)))
