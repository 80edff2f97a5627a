"""The faults with their keys."""

from __future__ import annotations

from dataclasses import dataclass

from textual import events
from textual.content import Content
from textual.message import Message

from fuseboard.snapshot import FaultSnapshot, Snapshot
from fuseboard_tui.literal import literal
from fuseboard_tui.widgets.picture import Rows

_CELL = 18  # columns of a fault where several share a row


class FaultList(Rows):
    """Draws every fault: its key, whether it is on, and how often it hits."""

    @dataclass
    class Toggled(Message):
        """A fault was clicked."""

        name: str

    def __init__(self, *, id: str | None = None, title: str = "") -> None:  # noqa: A002
        super().__init__(id=id, title=title)
        self._faults: tuple[FaultSnapshot, ...] = ()
        self._columns = 1

    def show(self, snapshot: Snapshot, selected: str) -> None:
        """Draw a snapshot with the fault named `selected` marked."""
        self._faults = snapshot.faults
        height = max(self.size.height, 1)
        fit = max(self.size.width // _CELL, 1)
        self._columns = 1 if len(self._faults) <= height else fit
        cells = [self._cell(fault, fault.name == selected) for fault in self._faults]
        rows = [
            Content("").join(cells[start : start + self._columns])
            for start in range(0, len(cells), self._columns)
        ]
        self.draw_rows(rows)

    def on_click(self, event: events.Click) -> None:
        """Switch the fault that was clicked."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        column = offset.x // _CELL if self._columns > 1 else 0
        index = (self.top + offset.y) * self._columns + column
        if column < self._columns and index < len(self._faults):
            self.post_message(self.Toggled(self._faults[index].name))

    def _cell(self, fault: FaultSnapshot, is_selected: bool) -> Content:
        share = f"{fault.probability:.0%}".rjust(5) if fault.active or is_selected else "     "
        mark = "▲" if fault.active else " "
        looks = "alarm" if fault.active else "strong" if is_selected else "plain"
        words = f"  {literal(fault.words)}" if self._columns == 1 else ""
        return Content.assemble(
            self.styled("▌" if is_selected else " ", "cursor"),
            self.styled(fault.key, "key"),
            self.styled(f" {mark}{fault.label[:9]:<9}", looks),
            self.styled(share, looks),
            self.styled(words, "quiet"),
        )
