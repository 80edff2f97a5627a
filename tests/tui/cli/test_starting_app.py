"""The first screen of the dashboard, while what it will show is being started."""

from __future__ import annotations

import asyncio
import threading

import pytest

from fuseboard.invalid_input import InvalidInputError
from fuseboard_tui.board.screen import BoardScreen
from fuseboard_tui.cli.starting_app import StartingApp, StartingScreen
from fuseboard_tui.timeline.source import Source
from tests.core.clock import ManualClock
from tests.tui.fake_source import FakeSource, running_snapshot


async def test_the_board_is_shown_once_its_source_has_started() -> None:
    may_start = threading.Event()

    def start() -> Source:
        may_start.wait(10)
        return FakeSource(running_snapshot())

    app = StartingApp(start, clock=ManualClock())
    async with app.run_test() as pilot:
        assert isinstance(app.screen, StartingScreen)
        await pilot.press("t", "ctrl+t")
        messages = [note.message for note in app._notifications]
        assert messages == [
            f"{key} does nothing yet: the engine is starting" for key in ("t", "ctrl+t")
        ]
        may_start.set()
        await asyncio.to_thread(app.join)
        await pilot.pause()
        assert isinstance(app.screen, BoardScreen)
        await pilot.press("q")
    assert app.return_code == 0


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (InvalidInputError("port 1 is taken"), "port 1 is taken"),
        (ValueError("oh"), "the start failed: ValueError: oh"),
    ],
)
async def test_a_start_that_fails_ends_the_app_with_the_reason(
    error: Exception, problem: str
) -> None:
    def start() -> Source:
        raise error

    app = StartingApp(start, clock=ManualClock())
    async with app.run_test():
        await asyncio.to_thread(app.join)
    assert (app.return_code, app.return_value) == (2, problem)


async def test_a_start_that_ends_after_the_app_is_no_error() -> None:
    may_start = threading.Event()

    def start() -> Source:
        may_start.wait(10)
        return FakeSource(running_snapshot())

    app = StartingApp(start, clock=ManualClock())
    async with app.run_test() as pilot:
        await pilot.press("q")
    may_start.set()
    await asyncio.to_thread(app.join)
    assert app.return_code == 0
