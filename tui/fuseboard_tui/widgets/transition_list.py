"""The transitions of one breaker, the newest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from textual import events
from textual.message import Message

from fuseboard.breaker.records import Transition
from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard_tui.text.glyphs import GLYPHS, STATE_CLASSES
from fuseboard_tui.text.sanitize import sanitize
from fuseboard_tui.widgets.lines import Line, Rows

_NAME_WIDTH = 9


class TransitionList(Rows):
    """Draws a row for each transition: when, from, to, why."""

    @dataclass
    class Chosen(Message):
        """A transition was clicked."""

        index: int
        """Its place, the newest being 0."""

    def __init__(self, *, id: str | None = None, title: str = "") -> None:  # noqa: A002
        super().__init__(id=id, title=title)
        self._drawn: tuple[str, tuple[Transition, ...], int] | None = None

    def show(self, breaker: BreakerSnapshot | None) -> None:
        """Draw a breaker's history."""
        name, history = (breaker.name, breaker.history) if breaker else ("", ())
        now_drawn = (name, history, self.size.height)
        if now_drawn == self._drawn:
            return
        if self._drawn is not None and self._drawn[0] != name:
            self.move(-self.top)
        self._drawn = now_drawn
        rows = [_row(step) for step in reversed(history)]
        self.draw_rows(rows or [((" none so far", "quiet"),)])

    def on_click(self, event: events.Click) -> None:
        """Choose the transition that was clicked."""
        offset = event.get_content_offset(self)
        if offset is not None:
            self.post_message(self.Chosen(self.top + offset.y))


def _row(step: Transition) -> Line:
    at = datetime.fromtimestamp(step.at).astimezone()
    to = f"{GLYPHS[step.to_state]} {step.to_state.name.ljust(_NAME_WIDTH)}"
    return (
        f" {at:%H:%M:%S}  ",
        (f"{step.from_state.name.rjust(_NAME_WIDTH)} → ", "quiet"),
        (to, STATE_CLASSES[step.to_state]),
        f"  {sanitize(step.reason)}",
    )
