"""The screen says when nothing new comes, and since when."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from fuseboard.snapshot.snapshot import Phase, Snapshot
from fuseboard_tui.timeline.timeline import LiveTimeline
from fuseboard_tui.widgets.notice_line import NoticeLine
from tests.core.clock import ManualClock
from tests.tui.board.test_keys import running_board
from tests.tui.fake_source import NOW, running_snapshot


class StaleSource:
    """A remote source without a connection: it returns the last snapshot again and again."""

    def __init__(self) -> None:
        self.current = running_snapshot()

    def snapshot(self) -> Snapshot:
        return self.current

    def send(self, command: object) -> None:
        raise AssertionError("nothing is sent")


def test_a_source_without_a_newer_snapshot_is_silent() -> None:
    clock = ManualClock()
    source = StaleSource()
    live = LiveTimeline(source, clock)
    live.next_snapshot()
    clock.advance(12)
    live.next_snapshot()
    assert live.silence == 12
    source.current = replace(source.current, taken_at=NOW + 12)
    live.next_snapshot()
    assert live.silence == 0


def test_silence_goes_on_while_the_screen_is_held() -> None:
    clock = ManualClock()
    source = StaleSource()
    live = LiveTimeline(source, clock)
    live.next_snapshot()
    live.toggle_hold()
    source.current = replace(source.current, taken_at=NOW + 1)
    live.next_snapshot()
    assert live.silence == 0
    clock.advance(7)
    live.next_snapshot()
    assert live.silence == 7


def test_a_stopped_source_is_not_silent() -> None:
    clock = ManualClock()
    source = StaleSource()
    source.current = running_snapshot(phase=Phase.STOPPED)
    live = LiveTimeline(source, clock)
    live.next_snapshot()
    clock.advance(60)
    live.next_snapshot()
    assert live.silence == 0


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_the_board_shows_a_silence(size: tuple[int, int]) -> None:
    async with running_board(size=size) as it:
        line = it.app.screen.query_one(NoticeLine)
        assert not line.display
        await it.show(running_snapshot(silence=75.0))
        assert line.display
        assert "nothing new from the engine for 1 min 15 s, since " in it.text(NoticeLine)
        await it.show(running_snapshot(silence=0.2))
        assert not line.display


async def test_another_screen_notifies_of_a_silence_once() -> None:
    async with running_board(running_snapshot()) as it:
        await it.pilot.press("l")
        await it.pilot.pause()
        for seconds in (1.0, 5.0, 6.0):
            await it.show(running_snapshot(silence=seconds))
        (note,) = it.app._notifications
        assert note.message.startswith("nothing new from the engine for 5.0 s, since ")
        await it.show(running_snapshot())
        await it.show(running_snapshot(silence=3.0))
        assert len(it.app._notifications) == 2
