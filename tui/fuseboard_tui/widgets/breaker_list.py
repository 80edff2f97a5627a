"""All breakers, one of which is chosen."""

from __future__ import annotations

from dataclasses import dataclass

from textual import events
from textual.content import Content
from textual.message import Message

from fuseboard.durations import in_words
from fuseboard.snapshot import BreakerSnapshot, Snapshot
from fuseboard.state import State
from fuseboard_tui.literal import literal
from fuseboard_tui.marks import GLYPHS, STATE_CLASSES, state_words
from fuseboard_tui.widgets.picture import Rows

_STATE_WIDTH = 11
_TIME_WIDTH = 11


class BreakerList(Rows):
    """Draws a row for each breaker: glyph, name, state, time."""

    @dataclass
    class Chosen(Message):
        """A breaker was clicked."""

        index: int

    def show(self, snapshot: Snapshot, chosen: int) -> None:
        """Draw a snapshot with the breaker numbered `chosen` marked."""
        rows = [
            self._row(breaker, is_chosen=index == chosen)
            for index, breaker in enumerate(snapshot.breakers)
        ]
        self.draw_rows(rows or [self.styled(" no breakers yet", "quiet")], visible=chosen)

    def on_click(self, event: events.Click) -> None:
        """Choose the breaker that was clicked."""
        offset = event.get_content_offset(self)
        if offset is not None:
            self.post_message(self.Chosen(self.top + offset.y))

    def _row(self, breaker: BreakerSnapshot, *, is_chosen: bool) -> Content:
        width = max(self.size.width - _STATE_WIDTH - _TIME_WIDTH - 5, 8)
        name = literal(breaker.name, width).ljust(width)
        state = f"{GLYPHS[breaker.state]} "
        looks = STATE_CLASSES[breaker.state]
        idle = breaker.state is State.CLOSED and breaker.calls.total == 0
        return Content.assemble(
            self.styled("▌", "cursor") if is_chosen else " ",
            self.styled(state, "quiet" if idle else looks),
            self.styled(name, "strong" if is_chosen else "quiet" if idle else "plain"),
            " ",
            self.styled(state_words(breaker).ljust(_STATE_WIDTH), "quiet" if idle else looks),
            self.styled(_time(breaker).rjust(_TIME_WIDTH), "quiet"),
        )


def _time(breaker: BreakerSnapshot) -> str:
    if breaker.retry_after is not None:
        return f"▸{in_words(breaker.retry_after)}"
    return in_words(breaker.seconds_in_state)
