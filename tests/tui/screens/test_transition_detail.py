"""A transition opened: the calls that led to it."""

from __future__ import annotations

from textual.widgets import Static

from fuseboard.breaker.records import Failure, Transition
from fuseboard.breaker.state import State
from fuseboard.snapshot.snapshot import Snapshot
from fuseboard_tui.board.screen import BoardScreen
from fuseboard_tui.screens.transition_detail import TransitionDetailScreen
from fuseboard_tui.widgets.transition_list import TransitionList
from tests.tui.board.test_keys import RunningBoard, running_board
from tests.tui.fake_source import NOW, breaker, running_snapshot

CAUSES = (
    Failure(NOW - 12, "no first token within 5 s", 5.0),
    Failure(NOW - 11, "[red]HTTP 500[/] \x1b[31m", 0.25),
)
HISTORY = (
    Transition(NOW - 60, State.HALF_OPEN, State.CLOSED, "probe succeeded"),
    Transition(NOW - 10, State.CLOSED, State.OPEN, "2 consecutive failures", CAUSES),
)


def tripped() -> Snapshot:
    return running_snapshot(breaker(history=HISTORY))


def detail(it: RunningBoard) -> str:
    assert isinstance(it.app.screen, TransitionDetailScreen)
    return str(it.app.screen.query_one(Static).content)


async def test_enter_shows_the_calls_in_their_order_and_literally() -> None:
    async with running_board(tripped()) as it:
        await it.pilot.press("enter")
        text = detail(it)
        assert "● CLOSED → ■ OPEN" in text
        assert "The 2 calls that led to it" in text
        assert text.index("no first token") < text.index("[red]HTTP 500[/] [31m")
        assert "took      5.0 s" in text
        assert "-2.0 s" in text


async def test_up_and_down_go_through_the_transitions() -> None:
    async with running_board(tripped()) as it:
        await it.pilot.press("enter", "down")
        assert "probe succeeded" in detail(it)
        assert "No failed call led to it." in detail(it)
        await it.pilot.press("down")
        assert "probe succeeded" in detail(it)
        await it.pilot.press("up", "up")
        assert "2 consecutive failures" in detail(it)
        await it.pilot.press("escape")
        assert isinstance(it.app.screen, BoardScreen)


async def test_a_click_opens_the_transition_under_it() -> None:
    async with running_board(tripped()) as it:
        await it.pilot.click(TransitionList, offset=(5, 2))
        assert "probe succeeded" in detail(it)


async def test_without_transitions_nothing_opens() -> None:
    async with running_board(running_snapshot(breaker(history=()))) as it:
        await it.pilot.press("enter")
        await it.pilot.click(TransitionList, offset=(5, 1))
        assert isinstance(it.app.screen, BoardScreen)
