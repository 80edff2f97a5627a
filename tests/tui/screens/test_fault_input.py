"""A fault set in a line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from textual.widgets import Input, Static

from fuseboard.engine.commands import SetFault
from fuseboard.faults.catalogue import BY_NAME
from fuseboard.snapshot.fault_setting import FaultSetting
from fuseboard_tui.board.screen import BoardScreen
from fuseboard_tui.screens.fault_input import FaultInputScreen
from tests.tui.board.test_keys import RunningBoard, running_board
from tests.tui.fake_source import running_snapshot


@asynccontextmanager
async def line(*keys: str, size: tuple[int, int] = (120, 36)) -> AsyncIterator[RunningBoard]:
    async with running_board(running_snapshot(), size) as it:
        await it.pilot.press(*keys, "f")
        await it.pilot.pause()
        it.source.commands.clear()
        yield it


def screen(it: RunningBoard) -> FaultInputScreen:
    assert isinstance(it.app.screen, FaultInputScreen)
    return it.app.screen


def note(it: RunningBoard) -> str:
    return str(screen(it).query_one(Static).render())


async def test_a_typed_fault_is_switched_on_as_it_was_typed() -> None:
    async with line() as it:
        await it.pilot.press(*"cut:0.5,chunks=10,path=/api/chat")
        assert note(it) == (
            "50 % of the requests to /api/chat:"
            " the answer ends properly after 10 chunks, without done"
        )
        await it.pilot.press("enter")
        setting = FaultSetting(0.5, chunks=10, paths=("/api/chat",))
        assert it.source.commands == [SetFault("cut", True, setting)]
        assert isinstance(it.app.screen, BoardScreen)
        await it.pilot.press("minus")  # it is the selected one now
        assert it.source.commands[-1] == SetFault(
            "cut", False, BY_NAME["cut"].setting(probability=0.9)
        )


async def test_begins_with_the_fault_that_was_switched_last() -> None:
    async with line("5") as it:
        assert screen(it).query_one(Input).value == "latency:1.0,seconds=2.0"
        await it.pilot.press("end", "backspace", "5", "enter")
        assert it.source.commands == [
            SetFault("latency", True, FaultSetting(probability=1.0, seconds=2.5))
        ]


@pytest.mark.parametrize("typed", ["fire", "cut:2", "[red]x[/]"])
async def test_an_invalid_fault_is_reported_and_not_sent(typed: str) -> None:
    async with line() as it:
        await it.pilot.press(*typed, "enter")
        assert it.source.commands == []
        assert "there is no fault" in note(it) or "is not a probability" in note(it)
        assert screen(it).query_one(Static).has_class("-wrong")
        await it.pilot.press("escape")
        assert isinstance(it.app.screen, BoardScreen)
        assert it.source.commands == []


async def test_fits_into_a_small_window() -> None:
    async with line("5", size=(60, 18)) as it:
        box = screen(it).query_one(".detail")
        assert box.region.right <= 60
        assert "latency:1.0,seconds=2.0" in it.app.export_screenshot()


async def test_less_often_is_never_more_often() -> None:
    async with line() as it:
        await it.pilot.press(*"stall:0.05", "enter")
        await it.show(running_snapshot(on={"stall": 0.05}))
        await it.pilot.press("minus")
        command = it.source.commands[-1]
        assert isinstance(command, SetFault)
        assert command.setting is not None
        assert command.setting.probability == 0.05
