"""The list of faults with their keys."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

from textual import events
from textual.message import Message

from fuseboard.snapshot.snapshot import FaultSnapshot, ScenarioSnapshot, Snapshot
from fuseboard_tui.text.sanitize import sanitize
from fuseboard_tui.widgets.lines import Line, ScrollableLines

_CELL = 18  # columns of a fault where several are in a row
_SHORT_CELL = 13  # the same without its probability


class FaultList(ScrollableLines):
    """Draw every fault: key, label, whether it is on, probability."""

    @dataclass
    class Toggled(Message):
        """A fault was clicked."""

        name: str

    def __init__(self, *, id: str | None = None, title: str = "") -> None:  # noqa: A002
        super().__init__(id=id, title=title)
        self._faults: tuple[FaultSnapshot, ...] = ()
        self._columns = 1
        self._cell_width = _CELL

    def show(self, snapshot: Snapshot, selected: str) -> None:
        """Draw the faults of a snapshot, and mark the one named `selected`."""
        self._faults = snapshot.faults
        self.set_title(_title(snapshot.scenario))
        self._choose_columns()
        cells = [self._cell(fault, fault.name == selected) for fault in self._faults]
        rows = [
            tuple(chain.from_iterable(cells[start : start + self._columns]))
            for start in range(0, len(cells), self._columns)
        ]
        self.draw_rows(rows)

    def name_by_key(self, key: str | None) -> str | None:
        """Return the name of the fault with a key; `None` if no fault has it."""
        return next((fault.name for fault in self._faults if fault.key == key), None)

    def on_click(self, event: events.Click) -> None:
        """Post `Toggled` for the clicked fault."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        column = offset.x // self._cell_width if self._columns > 1 else 0
        index = (self.top + offset.y) * self._columns + column
        if column < self._columns and index < len(self._faults):
            self.post_message(self.Toggled(self._faults[index].name))

    def _choose_columns(self) -> None:
        """Choose the widest cells with which all faults fit."""
        width, height = self.size
        for columns, self._cell_width in (
            (1, _CELL),
            (width // _CELL, _CELL),
            (width // _SHORT_CELL, _SHORT_CELL),
        ):
            self._columns = max(columns, 1)
            if len(self._faults) <= self._columns * height:
                return

    def _cell(self, fault: FaultSnapshot, is_selected: bool) -> Line:
        probability = (
            f"{fault.setting.probability:.0%}".rjust(5) if fault.active or is_selected else "     "
        )
        mark = "▲" if fault.active else " "
        style = "alarm" if fault.active else "strong" if is_selected else "plain"
        if self._columns > 1 and self._cell_width == _SHORT_CELL:
            probability = ""
        description = f"  {sanitize(fault.description)}" if self._columns == 1 else ""
        return (
            ("▌" if is_selected else " ", "cursor"),
            (sanitize(fault.key, 1), "key"),
            (f" {mark}{sanitize(fault.label, 9):<9}{probability}", style),
            (description, "quiet"),
        )


def _title(scenario: ScenarioSnapshot | None) -> str:
    if scenario is None:
        return "Faults"
    name, step = sanitize(scenario.name, 20), sanitize(scenario.next_step, 60)
    return f"Faults, {name}: {step} in {scenario.seconds_to_next:.0f} s"
