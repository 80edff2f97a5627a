"""The numbers of a breaker that can be set, one of which is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual import events
from textual.message import Message

from fuseboard.breaker.tunables import Tunable, format_number
from fuseboard.breaker.validation import NumberKind
from fuseboard_tui.text.sanitize import sanitize
from fuseboard_tui.widgets.lines import Line, Rows

_LONGEST_NAME = 40


class NumberList(Rows):
    """Draws a row for each number: its name, its value, what it is for."""

    @dataclass
    class Chosen(Message):
        """A number was clicked."""

        index: int

    def show(self, numbers: Sequence[Tunable], chosen: int) -> None:
        """Draw numbers, with the one at place `chosen` marked."""
        names = [sanitize(number.name, _LONGEST_NAME) for number in numbers]
        values = [_value(number) for number in numbers]
        name_width, value_width = max(map(len, names)), max(map(len, values))
        rows: list[Line] = [
            (
                ("▌", "cursor") if place == chosen else " ",
                (name.ljust(name_width), "strong" if place == chosen else "plain"),
                (f"  {value:>{value_width}}", "key"),
                (f"  {sanitize(number.meaning)}", "quiet"),
            )
            for place, (number, name, value) in enumerate(zip(numbers, names, values, strict=True))
        ]
        self.draw_rows(rows, visible=chosen)

    def on_click(self, event: events.Click) -> None:
        """Choose the number that was clicked."""
        offset = event.get_content_offset(self)
        if offset is not None:
            self.post_message(self.Chosen(self.top + offset.y))


def _value(number: Tunable) -> str:
    # The values stand under each other, those without a unit too.
    return format_number(number.value) + (" s" if number.kind is NumberKind.SECONDS else "  ")
