"""The classes of a window's size."""

from __future__ import annotations

import pytest

from fuseboard_tui.widgets import breakpoints
from tests.tui.board.test_keys import running_board

NAMES = {name for _, name in breakpoints.HORIZONTAL + breakpoints.VERTICAL}


@pytest.mark.parametrize("size", [(59, 17), (60, 18), (99, 29), (100, 30), (160, 43), (200, 50)])
async def test_textual_adds_the_same_classes(size: tuple[int, int]) -> None:
    async with running_board(size=size) as it:
        assert it.app.screen.classes & NAMES == set(breakpoints.class_names(size))
