"""All breakers, one of which is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual import events
from textual.message import Message

from fuseboard.breaker.durations import format_duration_short
from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard.breaker.state import State
from fuseboard.snapshot.snapshot import BreakerRates, Snapshot
from fuseboard_tui.text.glyphs import GLYPHS, STATE_CLASSES, state_label
from fuseboard_tui.text.sanitize import sanitize
from fuseboard_tui.widgets.lines import Line, Rows

_STATE_WIDTH = 10
_FIGURES_WIDTH = 19


class BreakerList(Rows):
    """Draws a row for each breaker: glyph, name, state, calls a second, failures, time."""

    @dataclass
    class Chosen(Message):
        """A breaker was clicked."""

        index: int

    def show(
        self, snapshot: Snapshot, breakers: Sequence[BreakerSnapshot], chosen: str, title: str
    ) -> None:
        """Draw breakers of a snapshot, with the one named `chosen` marked."""
        self.entitle(title)

        def row(index: int) -> Line:
            breaker = breakers[index]
            activity = snapshot.rates.get(breaker.name, BreakerRates())
            return self._row(breaker, activity, is_chosen=breaker.name == chosen)

        if not breakers:
            nothing = " no breakers yet" if not snapshot.breakers else " none has such a name"
            self.draw_rows([((nothing, "quiet"),)])
            return
        names = (index for index, breaker in enumerate(breakers) if breaker.name == chosen)
        self.draw_rows(row, count=len(breakers), visible=next(names, 0))

    def on_click(self, event: events.Click) -> None:
        """Choose the breaker that was clicked."""
        offset = event.get_content_offset(self)
        if offset is not None:
            self.post_message(self.Chosen(self.top + offset.y))

    def _row(self, breaker: BreakerSnapshot, activity: BreakerRates, *, is_chosen: bool) -> Line:
        width = max(self.size.width - _STATE_WIDTH - _FIGURES_WIDTH - 4, 8)
        name = sanitize(breaker.name, width).ljust(width)
        state = f"{GLYPHS[breaker.state]} "
        words, *_ = state_label(breaker).split()  # FORCED OPEN has no room, and its glyph says OPEN
        looks = STATE_CLASSES[breaker.state]
        idle = breaker.state is State.CLOSED and breaker.calls.total == 0
        failed = activity.failed_share
        share = f"{failed:.0%}" if failed is not None else ""
        return (
            ("▌", "cursor") if is_chosen else " ",
            (state, "quiet" if idle else looks),
            (name, "strong" if is_chosen else "quiet" if idle else "plain"),
            " ",
            (words.ljust(_STATE_WIDTH), "quiet" if idle else looks),
            (f"{activity.latest:>5.1f}/s", "quiet" if idle else "plain"),
            (f"{share:>5}", "alarm" if failed else "quiet"),
            (_time(breaker).rjust(7), "quiet"),
        )


def _time(breaker: BreakerSnapshot) -> str:
    if breaker.retry_after is not None:
        return f"▸{format_duration_short(breaker.retry_after)}"
    return format_duration_short(breaker.seconds_in_state)
