"""The list of breakers, one of which is selected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual import events
from textual.message import Message

from fuseboard.breaker.durations import format_duration_short
from fuseboard.breaker.shares import format_share
from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard.breaker.state import State
from fuseboard.snapshot.snapshot import BreakerRates, Snapshot
from fuseboard_tui.text.glyphs import GLYPHS, STATE_CLASSES, state_label
from fuseboard_tui.text.wrap import fit_text
from fuseboard_tui.widgets.lines import Line, ScrollableLines

_STATE_WIDTH = 10
_FIGURES_WIDTH = 19


class BreakerList(ScrollableLines):
    """Draw a row for each breaker: glyph, name, state, calls per second, failures, time."""

    @dataclass
    class Selected(Message):
        """A breaker was clicked."""

        index: int
        """Among the listed breakers."""

    def show(
        self, snapshot: Snapshot, breakers: Sequence[BreakerSnapshot], selected: str, title: str
    ) -> None:
        """Draw breakers of a snapshot.

        Args:
            snapshot: Provides the rates.
            breakers: The breakers to list.
            selected: The name of the breaker to mark.
            title: The title of the list.
        """
        self.set_title(title)

        def row(index: int) -> Line:
            breaker = breakers[index]
            rates = snapshot.rates.get(breaker.name, BreakerRates())
            return self._row(breaker, rates, is_selected=breaker.name == selected)

        if not breakers:
            message = " no breakers yet" if not snapshot.breakers else " none has such a name"
            self.draw_rows([((message, "quiet"),)])
            return
        places = (index for index, breaker in enumerate(breakers) if breaker.name == selected)
        self.draw_rows(row, count=len(breakers), visible=next(places, 0))

    def on_click(self, event: events.Click) -> None:
        """Post `Selected` for the clicked row."""
        offset = event.get_content_offset(self)
        if offset is not None:
            self.post_message(self.Selected(self.top + offset.y))

    def _row(self, breaker: BreakerSnapshot, rates: BreakerRates, *, is_selected: bool) -> Line:
        width = max(self.size.width - _STATE_WIDTH - _FIGURES_WIDTH - 4, 8)
        name = fit_text(breaker.name, width)
        state = f"{GLYPHS[breaker.state]} "
        label, *_ = state_label(breaker).split()  # no room for FORCED OPEN; its glyph shows OPEN
        style = STATE_CLASSES[breaker.state]
        idle = breaker.state is State.CLOSED and breaker.calls.total == 0
        failed = rates.failed_share
        share = format_share(failed) if failed is not None else ""
        return (
            ("▌", "cursor") if is_selected else " ",
            (state, "quiet" if idle else style),
            (name, "strong" if is_selected else "quiet" if idle else "plain"),
            " ",
            (label.ljust(_STATE_WIDTH), "quiet" if idle else style),
            (f"{rates.latest:>5.1f}/s", "quiet" if idle else "plain"),
            (f"{share:>5}", "alarm" if failed else "quiet"),
            (_time(breaker).rjust(7), "quiet"),
        )


def _time(breaker: BreakerSnapshot) -> str:
    if breaker.retry_after is not None:
        return f"▸{format_duration_short(breaker.retry_after)}"
    return format_duration_short(breaker.seconds_in_state)
