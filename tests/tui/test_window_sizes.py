"""Every screen in windows that are narrow, flat or both."""

from __future__ import annotations

import pytest

from tests.tui.board.test_keys import running_board
from tests.tui.fake_source import HALF_OPEN, OPEN, running_snapshot

WIDTHS = [*range(1, 9), 12, 300]
HEIGHTS = [1, 24]


@pytest.mark.slow
@pytest.mark.parametrize(
    "key", ["", "?", "m", "d", "a", "s", "l", "f", "enter", "slash", "ctrl+p"], ids=str
)
async def test_no_size_of_the_window_breaks_a_screen(key: str) -> None:
    async with running_board(running_snapshot(OPEN, HALF_OPEN)) as it:
        if key:
            await it.pilot.press(key)
        for width in WIDTHS:
            for height in HEIGHTS:
                await it.pilot.resize_terminal(width, height)
                await it.pilot.pause()
        assert it.app.is_running
