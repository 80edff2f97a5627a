"""The widgets of the board: their arrangement, and what each one draws."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.screen import Screen
from textual.widgets import Input

from fuseboard.snapshot.snapshot import Snapshot
from fuseboard_tui.board.breaker_selection import BreakerSelection
from fuseboard_tui.timeline.timeline import Timeline
from fuseboard_tui.widgets.breaker_list import BreakerList
from fuseboard_tui.widgets.breaker_panel import BreakerPanel
from fuseboard_tui.widgets.fault_list import FaultList
from fuseboard_tui.widgets.header_line import HeaderLine
from fuseboard_tui.widgets.keys_footer import KeysFooter
from fuseboard_tui.widgets.notice_line import NoticeLine
from fuseboard_tui.widgets.resource_panel import ResourcePanel
from fuseboard_tui.widgets.state_strip import StateStrip
from fuseboard_tui.widgets.transition_list import TransitionList
from fuseboard_tui.widgets.window_too_small import WindowTooSmall


def compose_board() -> ComposeResult:
    """Yield the widgets of the board."""
    yield HeaderLine(id="header")
    yield NoticeLine(id="notice")
    yield WindowTooSmall(id="too-small")
    with Container(id="board"):
        with Vertical(id="left"):
            yield Input(id="filter", placeholder="letters in a name", compact=True)
            yield BreakerList(id="breakers", title="Breakers")
            yield ResourcePanel(id="resources", title="Traffic, pool, cache")
            yield FaultList(id="faults", title="Faults")
        with Vertical(id="right"):
            yield BreakerPanel(id="panel")
            yield StateStrip(id="strip", title="State, last 5 min")
            yield TransitionList(id="transitions", title="Transitions")
    yield KeysFooter()


def draw_board(
    screen: Screen[None],
    snapshot: Snapshot,
    timeline: Timeline,
    selection: BreakerSelection,
    selected_fault: str,
) -> None:
    """Draw a snapshot on every widget of the board."""
    listed = selection.listed(snapshot)
    selected = selection.ensure_selected(listed)
    title = selection.title(len(listed), len(snapshot.breakers))
    with screen.app.batch_update():
        screen.query_one(HeaderLine).show(snapshot, timeline.badge)
        screen.query_one(NoticeLine).show(snapshot, timeline.silence, timeline.now)
        screen.query_one(WindowTooSmall).show(snapshot)
        screen.query_one(BreakerList).show(snapshot, listed, selection.name, title)
        screen.query_one(ResourcePanel).show(snapshot)
        screen.query_one(BreakerPanel).show(snapshot, selected)
        screen.query_one(StateStrip).show(snapshot, selected)
        screen.query_one(TransitionList).show(selected)
        screen.query_one(FaultList).show(snapshot, selected_fault)
