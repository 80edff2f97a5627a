"""What the user ought to know, on a line that takes no room without it."""

from __future__ import annotations

from textual.content import Content

from fuseboard.snapshot import Snapshot, WarmingSnapshot
from fuseboard_tui.literal import literal
from fuseboard_tui.widgets.picture import Picture


class NoticeLine(Picture):
    """Draws the notices of a snapshot, and how far the warming of the cache is."""

    def show(self, snapshot: Snapshot) -> None:
        """Draw a snapshot."""
        said = [*snapshot.notices, *_warming(snapshot.warming)]
        self.display = bool(said)
        self.draw(Content(" " + "; ".join(map(literal, said))))


def _warming(seen: WarmingSnapshot | None) -> list[str]:
    if seen is None or (seen.ended and not seen.failed):
        return []
    if seen.ended:
        return [f"warmed {seen.done}/{seen.total}, {seen.failed} failed"]
    said = f"warming {seen.done}/{seen.total}"
    if seen.failed:
        said += f", {seen.failed} failed"
    return [f"{said}, waits for {seen.held_up}" if seen.held_up else said]
