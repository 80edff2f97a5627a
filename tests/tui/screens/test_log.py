"""The log on a screen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from textual.content import Content

from fuseboard.snapshot.snapshot import LogLevel, LogLine
from fuseboard_tui.board.screen import BoardScreen
from fuseboard_tui.screens.help import HelpScreen
from fuseboard_tui.screens.log import LogScreen
from fuseboard_tui.widgets.lines import ScrollableLines
from tests.tui.board.test_keys import RunningBoard, running_board
from tests.tui.fake_source import NOW, running_snapshot

LOG = (
    LogLine(NOW - 9, LogLevel.INFO, "engine", "/metrics is at http://127.0.0.1:9464/metrics"),
    LogLine(NOW - 5, LogLevel.WARNING, "proxy", "the fault proxy cannot have its port back yet"),
    LogLine(NOW - 1, LogLevel.ERROR, "engine", "it broke [red]here[/]\x1b[2J\nTraceback\n  x = 1"),
)


@asynccontextmanager
async def log_shown(
    *lines: LogLine, size: tuple[int, int] = (120, 36)
) -> AsyncIterator[RunningBoard]:
    async with running_board(running_snapshot(log=lines or LOG), size) as it:
        await it.pilot.press("l")
        await it.pilot.pause()
        yield it


def text(it: RunningBoard) -> str:
    return "\n".join(line.rstrip() for line in str(rows(it).render()).split("\n"))


def rows(it: RunningBoard) -> ScrollableLines:
    assert isinstance(it.app.screen, LogScreen)
    return it.app.screen.query_one(ScrollableLines)


def title(it: RunningBoard) -> str:
    return str(rows(it).border_title)


async def log(it: RunningBoard, *lines: LogLine) -> None:
    await it.show(running_snapshot(log=lines))
    screen = it.app.screen
    assert isinstance(screen, LogScreen)
    screen.show()
    await it.pilot.pause()


async def test_newest_first_and_literally() -> None:
    async with log_shown() as it:
        assert text(it).split("\n") == [
            " 14:13:19  ERROR    engine            it broke [red]here[/][2J",
            "                                      Traceback",
            "                                        x = 1",
            " 14:13:15  WARNING  proxy             the fault proxy cannot have its port back yet",
            " 14:13:11  INFO     engine            /metrics is at http://127.0.0.1:9464/metrics",
        ]


async def test_v_selects_the_next_level() -> None:
    async with log_shown() as it:
        await it.pilot.press("v")
        assert "INFO" not in text(it)
        assert title(it) == "Log, 2 of 3 lines, warning and above"
        await it.pilot.press("v")
        assert "WARNING" not in text(it)
        await it.pilot.press("v")
        assert "INFO" in text(it)
        assert title(it) == "Log, newest first"


async def test_searching() -> None:
    async with log_shown() as it:
        await it.pilot.press("slash", *"PROXY")
        assert text(it).count("\n") == 0
        assert title(it) == "Log, 1 of 3 lines, with proxy"
        await it.pilot.press("enter", "escape")
        assert text(it).count("\n") == 4
        await it.pilot.press("escape")
        assert isinstance(it.app.screen, BoardScreen)


async def test_an_empty_log() -> None:
    async with running_board(running_snapshot(), (80, 24)) as it:
        await it.pilot.press("l")
        await it.pilot.pause()
        assert text(it) == " nothing so far"


async def test_long_words_are_wrapped() -> None:
    message = "five failures in a row: " * 10
    async with log_shown(LogLine(NOW, LogLevel.INFO, "engine", message), size=(80, 24)) as it:
        assert " ".join(text(it).split()).endswith(message.strip())


async def test_a_scrolled_log_stays_in_place() -> None:
    lines = [LogLine(NOW + n, LogLevel.INFO, "engine", f"line {n}") for n in range(100)]
    async with log_shown(*lines) as it:
        await it.pilot.press("down", "down")
        seen = text(it)
        assert "line 97" in seen.split("\n")[0]
        await log(it, *lines, LogLine(NOW + 100, LogLevel.INFO, "engine", "line 100"))
        assert text(it) == seen
        await it.pilot.press(*["up"] * 3)
        assert "line 100" in text(it).split("\n")[0]


@pytest.mark.parametrize("key", ["l", "escape", "q"])
async def test_leaving(key: str) -> None:
    async with log_shown() as it:
        await it.pilot.press(key)
        assert isinstance(it.app.screen, BoardScreen)


async def test_the_help_lists_the_keys_of_the_log() -> None:
    async with log_shown() as it:
        await it.pilot.press("question_mark")
        assert isinstance(it.app.screen, HelpScreen)
        message = it.app.screen.query_one("#help Static").render()
        assert isinstance(message, Content)
        assert "only warnings, only errors, or all" in message.plain
        assert "Faults" not in message.plain


async def test_a_scrolled_full_log_stays_in_place() -> None:
    lines = [LogLine(NOW + n, LogLevel.INFO, "engine", f"line {n}") for n in range(300)]
    async with log_shown(*lines) as it:
        await it.pilot.press("down", "down")
        seen = text(it)
        await log(it, *lines[1:], LogLine(NOW + 300, LogLevel.INFO, "engine", "line 300"))
        assert text(it) == seen
