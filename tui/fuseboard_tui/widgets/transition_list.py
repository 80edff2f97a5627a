"""The list of one breaker's transitions, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from textual import events
from textual.message import Message

from fuseboard.breaker.records import Transition
from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard_tui.text.glyphs import GLYPHS, STATE_CLASSES
from fuseboard_tui.text.sanitize import sanitize
from fuseboard_tui.widgets.lines import Line, ScrollableLines

_NAME_WIDTH = 9


class TransitionList(ScrollableLines):
    """Draw a row for each transition: time, old state, new state, reason."""

    @dataclass
    class Selected(Message):
        """A transition was clicked."""

        index: int
        """0 is the newest."""

    def __init__(self, *, id: str | None = None, title: str = "") -> None:  # noqa: A002
        super().__init__(id=id, title=title)
        self._drawn: tuple[str, tuple[Transition, ...], int] | None = None

    def show(self, breaker: BreakerSnapshot | None) -> None:
        """Draw a breaker's history."""
        name, history = (breaker.name, breaker.history) if breaker else ("", ())
        to_draw = (name, history, self.size.height)
        if to_draw == self._drawn:
            return
        if self._drawn is not None and self._drawn[0] != name:
            self.move(-self.top)
        self._drawn = to_draw
        rows = [_row(transition) for transition in reversed(history)]
        self.draw_rows(rows or [((" none so far", "quiet"),)])

    def on_click(self, event: events.Click) -> None:
        """Post `Selected` for the clicked row."""
        offset = event.get_content_offset(self)
        if offset is not None:
            self.post_message(self.Selected(self.top + offset.y))


def _row(transition: Transition) -> Line:
    at = datetime.fromtimestamp(transition.at).astimezone()
    to = f"{GLYPHS[transition.to_state]} {transition.to_state.name.ljust(_NAME_WIDTH)}"
    return (
        f" {at:%H:%M:%S}  ",
        (f"{transition.from_state.name.rjust(_NAME_WIDTH)} → ", "quiet"),
        (to, STATE_CLASSES[transition.to_state]),
        f"  {sanitize(transition.reason)}",
    )
