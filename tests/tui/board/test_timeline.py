"""Holding the screen, going back and forth, and replays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec import structs
from textual._callback import invoke
from textual.pilot import Pilot

from fuseboard.breaker.state import State
from fuseboard.engine.commands import ClearFaults
from fuseboard.faults.catalogue import CATALOGUE
from fuseboard.recording.reader import Recording
from fuseboard.recording.recorder import Recorder, encode_line
from fuseboard.recording.replay import Replay
from fuseboard.snapshot.codec import encode, to_builtins
from fuseboard.snapshot.snapshot import Phase, Snapshot
from fuseboard_tui.app import FuseboardApp
from fuseboard_tui.board.replay_screen import ReplayScreen
from fuseboard_tui.board.screen import BoardScreen
from fuseboard_tui.cli.dashboard import RecordedSource
from fuseboard_tui.screens.help import HelpScreen
from fuseboard_tui.widgets.breaker_panel import BreakerPanel
from fuseboard_tui.widgets.header_line import HeaderLine
from fuseboard_tui.widgets.notice_line import NoticeLine
from tests.core.clock import ManualClock
from tests.tui.board.test_keys import RunningBoard, running_board
from tests.tui.fake_source import NOW, OPEN, FakeSource, breaker, running_snapshot


def moment(seconds: float) -> Snapshot:
    """A board whose breaker has been closed for so many seconds."""
    return structs.replace(
        running_snapshot(breaker(seconds_in_state=seconds)),
        taken_at=NOW + seconds,
        uptime=751 + seconds,
    )


@asynccontextmanager
async def running_for_a_minute(size: tuple[int, int] = (120, 36)) -> AsyncIterator[RunningBoard]:
    async with running_board(moment(1), size) as it:
        for second in range(2, 61):
            it.source.current = moment(second)
            screen = it.app.screen
            assert isinstance(screen, BoardScreen)
            screen.take_snapshot()
        await it.pilot.pause()
        yield it


def header(it: RunningBoard) -> str:
    return it.text(HeaderLine)


def seconds_shown(it: RunningBoard) -> str:
    return it.text(BreakerPanel).split(" for ")[1].split("\n")[0].strip()


async def test_arrows_hold_the_screen_and_go_back_and_forth() -> None:
    async with running_for_a_minute() as it:
        await it.pilot.press("left", "left", "left")
        assert (seconds_shown(it), "PAUSED, 3 s behind" in header(it)) == ("57.0 s", True)
        await it.pilot.press("right")
        assert (seconds_shown(it), "PAUSED, 2 s behind" in header(it)) == ("58.0 s", True)
        await it.pilot.press("shift+left")
        assert (seconds_shown(it), "PAUSED, 32 s behind" in header(it)) == ("28.0 s", True)
        await it.pilot.press("shift+right", "p")
        assert (seconds_shown(it), "PAUSED" in header(it)) == ("1 min 00 s", False)


async def test_home_and_end_go_to_the_ends() -> None:
    async with running_for_a_minute() as it:
        await it.pilot.press("home", "left")
        assert (seconds_shown(it), "PAUSED, 59 s behind" in header(it)) == ("1.0 s", True)
        await it.pilot.press("end", "right")
        assert (seconds_shown(it), "PAUSED, 0 s behind" in header(it)) == ("1 min 00 s", True)


async def test_snapshots_taken_while_held_can_be_moved_to() -> None:
    async with running_for_a_minute() as it:
        await it.pilot.press("p")
        await it.show(moment(70))
        await it.show(moment(150))
        assert (seconds_shown(it), "PAUSED, 1 min 30 s behind" in header(it)) == (
            "1 min 00 s",
            True,
        )
        await it.pilot.press("right")
        assert seconds_shown(it) == "1 min 10 s"
        await it.pilot.press("t")
        assert len(it.source.commands) == 1


async def test_an_opening_is_not_notified_while_the_past_is_shown() -> None:
    async with running_for_a_minute() as it:
        opened = replace(OPEN, changed_at=NOW + 65)
        await it.pilot.press("p")
        late = structs.replace(running_snapshot(opened), taken_at=NOW + 66, uptime=817.0)
        await it.show(late)
        await it.pilot.press("right")
        assert "OPEN" in it.text(BreakerPanel)
        assert not it.app._notifications
        await it.pilot.press("p")
        assert [note.title for note in it.app._notifications] == ["ollama_generate is OPEN"]


async def test_a_source_that_fails_ends_the_app_even_while_it_is_held() -> None:
    async with running_for_a_minute() as it:
        await it.pilot.press("p")
        await it.show(structs.replace(moment(61), phase=Phase.FAILED, problem="gone"))
        assert (it.app.return_value, it.app.return_code) == ("gone", 2)


async def test_the_board_shows_why_a_recording_ended_early(tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    source = FakeSource(running_snapshot(notices=("port 9464 is taken",)))
    with Recorder(source.snapshot, full, overwrite=True) as recorder:
        pass
    assert recorder.problem
    recorded = RecordedSource(source, recorder)
    async with FuseboardApp(recorded).run_test(size=(120, 36)) as pilot:
        await pilot.press("0")
        said = str(pilot.app.screen.query_one(NoticeLine).render())
    assert said == (f" recording to {full} has ended: No space left on device; port 9464 is taken")
    assert source.commands == [ClearFaults()]


def recording(*snapshots: Snapshot, cut_off: bool = False) -> Recording:
    values = [to_builtins(snapshot) for snapshot in snapshots]
    lines = [encode_line(old, new) for old, new in pairwise([None, *values]) if new]
    return Recording("run", lines, cut_off=cut_off)


def minutes(count: int = 10) -> Recording:
    """A snapshot a second; the breaker opens after five minutes."""
    return recording(
        *(
            structs.replace(
                running_snapshot(
                    replace(OPEN, changed_at=NOW + 300, seconds_in_state=second - 300.0)
                    if second >= 300
                    else breaker(seconds_in_state=float(second))
                ),
                taken_at=NOW + second,
                uptime=float(second),
            )
            for second in range(count * 60 + 1)
        )
    )


class RunningReplay:
    def __init__(self, app: FuseboardApp, pilot: Pilot[str], clock: ManualClock) -> None:
        self.app = app
        self.pilot = pilot
        self._clock = clock

    async def wait(self, seconds: float) -> None:
        self._clock.advance(seconds)
        screen = self.app.screen_stack[0]
        assert isinstance(screen, ReplayScreen)
        screen.take_snapshot()
        await self.pilot.pause()

    @property
    def badge(self) -> str:
        text = str(self.app.screen_stack[0].query_one(HeaderLine).render())
        return text.partition("REPLAY ")[2].split(" ·")[0].strip()

    @property
    def panel(self) -> str:
        return str(self.app.screen_stack[0].query_one(BreakerPanel).render())


@asynccontextmanager
async def running_replay(
    what: Recording | None = None, size: tuple[int, int] = (120, 36), speed: float = 1.0
) -> AsyncIterator[RunningReplay]:
    clock = ManualClock()
    app = FuseboardApp(Replay(what or minutes(), speed, clock=clock))
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        yield RunningReplay(app, pilot, clock)


async def test_a_replay_plays() -> None:
    async with running_replay() as it:
        assert it.badge == "0:00:00 of 0:10:00"
        await it.wait(12)
        assert it.badge == "0:00:12 of 0:10:00"
        assert "CLOSED   for 12.0 s" in it.panel
        await it.wait(300)
        assert "OPEN   for 12.0 s" in it.panel
        assert [note.title for note in it.app._notifications] == ["ollama_generate is OPEN"]
        await it.wait(3000)
        assert it.badge == "0:10:00 of 0:10:00, ended"


@pytest.mark.parametrize("key", ["space", "p"])
async def test_a_replay_pauses_and_goes_on(key: str) -> None:
    async with running_replay() as it:
        await it.pilot.press(key)
        await it.wait(12)
        assert it.badge == "0:00:00 of 0:10:00, paused"
        await it.pilot.press(key)
        await it.wait(12)
        assert it.badge == "0:00:12 of 0:10:00"


async def test_the_keys_move_through_a_replay() -> None:
    async with running_replay() as it:
        for key, badge in [
            ("right", "0:00:05"),
            ("shift+right", "0:01:05"),
            ("left", "0:01:00"),
            ("shift+left", "0:00:00"),
            ("end", "0:10:00"),
            ("home", "0:00:00"),
        ]:
            await it.pilot.press(key)
            assert it.badge.startswith(badge), key


async def test_the_keys_change_the_speed() -> None:
    async with running_replay(speed=2) as it:
        await it.wait(10)
        await it.pilot.press(">")
        await it.wait(10)
        assert it.badge == "0:01:00 of 0:10:00 ×4"
        await it.pilot.press("<", "<", "<")
        await it.wait(10)
        assert it.badge == "0:01:05 of 0:10:00 ×0.5"


@pytest.mark.slow
@pytest.mark.parametrize("key", ["t", "r", "0", "+", "-", *(fault.key for fault in CATALOGUE)])
async def test_a_key_that_commands_an_engine_is_refused(key: str) -> None:
    async with running_replay() as it:
        await it.pilot.press(key)
        assert [note.message for note in it.app._notifications] == [
            "this is a replay: there is no engine to command"
        ]


async def test_the_help_of_a_replay_lists_its_own_keys() -> None:
    async with running_replay() as it:
        await it.pilot.press("?")
        assert isinstance(it.app.screen, HelpScreen)
        lines = [str(line).strip() for line in it.app.screen._lines()]
        assert "space, p    pause the replay, or go on" in lines
        assert "<           slower" in lines
        assert "shift+←     a minute back" in lines
        assert not [line for line in lines if "start or stop the calls" in line]


async def test_the_palette_of_a_replay_offers_its_commands() -> None:
    async with running_replay() as it:
        commands = {
            command.title: command.callback for command in it.app.get_system_commands(it.app.screen)
        }
        assert not {"Traffic", "Trip", "Screenshot", "Clear", "Disable"} & set(commands)
        for title, badge in [
            ("Pause", "0:00:00 of 0:10:00, paused"),
            ("A minute on", "0:01:00 of 0:10:00, paused"),
            ("A minute back", "0:00:00 of 0:10:00, paused"),
            ("Faster", "0:00:00 of 0:10:00 ×2, paused"),
            ("Speed", "0:00:00 of 0:10:00, paused"),
            ("The end of the recording", "0:10:00 of 0:10:00, ended"),
            ("The start of the recording", "0:00:00 of 0:10:00, paused"),
        ]:
            await invoke(commands[title])
            await it.pilot.pause()
            assert it.badge == badge, title


async def test_a_failure_at_the_end_of_a_recording_is_shown() -> None:
    failed = structs.replace(
        running_snapshot(), uptime=760.0, phase=Phase.FAILED, problem="no model"
    )
    async with running_replay(recording(running_snapshot(), failed)) as it:
        await it.wait(100)
        assert it.app.is_running
        assert "no model" in str(it.app.screen.query_one(NoticeLine).render())


async def test_a_recording_that_was_cut_off_is_notified() -> None:
    async with running_replay(recording(running_snapshot(), cut_off=True)) as it:
        assert [note.message for note in it.app._notifications] == [
            "the recording was cut off: it plays to where it ends"
        ]


async def test_an_invalid_line_ends_the_replay_with_its_number() -> None:
    bad = structs.replace(running_snapshot(), uptime=760.0)
    lines = [encode(running_snapshot()), b'{"uptime": 760.0, "phase": 5}']
    async with running_replay(Recording("run", lines, cut_off=False)) as it:
        await it.wait(bad.uptime)
        assert it.app.return_code == 2
        assert (it.app.return_value or "").startswith("run, line 2: phase is 5, not one of")


def test_states_are_as_recorded() -> None:
    replay = Replay(minutes(), clock=ManualClock())
    replay.go_to_end()
    assert replay.snapshot().breakers[0].state is State.OPEN
