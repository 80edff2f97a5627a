"""The list of a breaker's tunables, one of which is selected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual import events
from textual.message import Message

from fuseboard.breaker.tunables import Tunable, format_number
from fuseboard.breaker.validation import NumberKind
from fuseboard_tui.text.sanitize import sanitize
from fuseboard_tui.widgets.lines import Line, ScrollableLines

_MAX_NAME_LENGTH = 40


class TunableList(ScrollableLines):
    """Draw a row for each tunable: name, value, meaning."""

    @dataclass
    class Selected(Message):
        """A tunable was clicked."""

        index: int

    def show(self, tunables: Sequence[Tunable], selected: int) -> None:
        """Draw tunables, and mark the one at index `selected`."""
        names = [sanitize(tunable.name, _MAX_NAME_LENGTH) for tunable in tunables]
        values = [_value(tunable) for tunable in tunables]
        name_width, value_width = max(map(len, names)), max(map(len, values))
        rows: list[Line] = [
            (
                ("▌", "cursor") if index == selected else " ",
                (name.ljust(name_width), "strong" if index == selected else "plain"),
                (f"  {value:>{value_width}}", "key"),
                (f"  {sanitize(tunable.meaning)}", "quiet"),
            )
            for index, (tunable, name, value) in enumerate(
                zip(tunables, names, values, strict=True)
            )
        ]
        self.draw_rows(rows, visible=selected)

    def on_click(self, event: events.Click) -> None:
        """Post `Selected` for the clicked row."""
        offset = event.get_content_offset(self)
        if offset is not None:
            self.post_message(self.Selected(self.top + offset.y))


def _value(tunable: Tunable) -> str:
    # Values are right-aligned, those without a unit too.
    return format_number(tunable.value) + (" s" if tunable.kind is NumberKind.SECONDS else "  ")
