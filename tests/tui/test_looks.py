"""What the screens look like, at three sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from textual.pilot import Pilot

from fuseboard.replay import Replay
from fuseboard.snapshot import Snapshot, TargetSnapshot
from fuseboard_tui.app import FuseboardApp
from tests.core.clock import ManualClock
from tests.tui.pictures import HALF_OPEN, NOW, OPEN, STARTING, FakeSource, board
from tests.tui.test_time import recording

SIZES = [(80, 24), (120, 36), (200, 50)]

SCENES = {
    "closed": board(),
    "open": board(OPEN, on={"error500": 0.5}),
    "half-open": board(HALF_OPEN, on={"error500": 0.5}),
    "starting": STARTING,
    "simulated": replace(
        board(),
        target=TargetSnapshot("http://127.0.0.1:1", "llama3.2", simulated=True),
        notices=("port 9464 is taken: /metrics is on 9465",),
    ),
}

Compare = Callable[..., bool]


def app(source: FakeSource) -> FuseboardApp:
    return FuseboardApp(source, clock=ManualClock())


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("scene", SCENES.values(), ids=list(SCENES))
def test_board(snap_compare: Compare, scene: Snapshot, size: tuple[int, int]) -> None:
    assert snap_compare(app(FakeSource(scene)), terminal_size=size)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_help(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snap_compare(app(FakeSource(board(OPEN))), press=["?"], terminal_size=size)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_held_board(snap_compare: Compare, size: tuple[int, int]) -> None:
    source = FakeSource(board(OPEN, on={"error500": 0.5}))

    async def go_back(pilot: Pilot[str]) -> None:
        await pilot.pause()
        source.picture = replace(board(), taken_at=NOW + 95)
        await pilot.press("p", "p", "home")

    assert snap_compare(app(source), run_before=go_back, terminal_size=size)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_replay(snap_compare: Compare, size: tuple[int, int]) -> None:
    later = replace(board(OPEN, on={"error500": 0.5}), uptime=3740.0)
    end = replace(board(), uptime=3751.0)
    replay = Replay(recording(board(), later, end), speed=2, clock=ManualClock())
    assert snap_compare(FuseboardApp(replay), press=["space", "end", "left"], terminal_size=size)


def test_window_that_is_too_small(snap_compare: Compare) -> None:
    assert snap_compare(app(FakeSource(board(OPEN))), terminal_size=(50, 12))


def test_empty_board(snap_compare: Compare) -> None:
    async def take_breakers_away(pilot: Pilot[str]) -> None:
        await pilot.press("down", "t", "r")

    source = FakeSource(replace(board(), breakers=(), activity={}))
    assert snap_compare(
        app(source),
        run_before=take_breakers_away,
        terminal_size=(120, 36),
    )
    assert source.commands == []
