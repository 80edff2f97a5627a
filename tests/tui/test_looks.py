"""What the screens look like, at three sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from textual.pilot import Pilot

from fuseboard.snapshot import Snapshot, TargetSnapshot
from fuseboard_tui.app import FuseboardApp
from tests.tui.pictures import HALF_OPEN, OPEN, STARTING, FakeSource, board

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


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("scene", SCENES.values(), ids=list(SCENES))
def test_board(snap_compare: Compare, scene: Snapshot, size: tuple[int, int]) -> None:
    assert snap_compare(FuseboardApp(FakeSource(scene)), terminal_size=size)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_help(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snap_compare(FuseboardApp(FakeSource(board(OPEN))), press=["?"], terminal_size=size)


def test_window_that_is_too_small(snap_compare: Compare) -> None:
    assert snap_compare(FuseboardApp(FakeSource(board(OPEN))), terminal_size=(50, 12))


def test_empty_board(snap_compare: Compare) -> None:
    async def take_breakers_away(pilot: Pilot[str]) -> None:
        await pilot.press("down", "t", "r")

    source = FakeSource(replace(board(), breakers=(), activity={}))
    assert snap_compare(
        FuseboardApp(source), run_before=take_breakers_away, terminal_size=(120, 36)
    )
    assert source.commands == []
