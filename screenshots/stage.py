"""The dashboard on a stage: it draws snapshots only when the script says so.

Nothing that is drawn depends on the wall clock, so that the same snapshots give
the same screenshots, byte by byte.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from screenshots.animation import Frame
from textual.pilot import Pilot
from textual.widgets import Input

from fuseboard.engine.commands import Command
from fuseboard.snapshot.snapshot import Snapshot
from fuseboard_tui.app import FuseboardApp
from fuseboard_tui.board.screen import BoardScreen
from fuseboard_tui.screens.ask import AskScreen
from fuseboard_tui.screens.settings import SettingsScreen
from fuseboard_tui.screens.state_diagram import StateDiagramScreen

SIZE = (120, 36)
_FRAME_SECONDS = 1.0  # of the run, from one frame to the next while a state is awaited
_SHOWN_SECONDS = 0.5  # how long such a frame is shown: the tour is faster than the run
_READING_SECONDS = 2.0  # how long the effect of a key is shown
_SETTLING_SECONDS = 0.5  # of the run, between a key and the frame that shows its effect
_MAX_FRAMES = 60  # while a state is awaited

NextSnapshot = Callable[[float], Awaitable[Snapshot]]
"""Return the snapshot that is so many seconds later in the run."""


class StagedSource:
    """A source whose snapshot only the stage replaces.

    Args:
        current: The first snapshot.
        send: Receives the commands.
    """

    def __init__(self, current: Snapshot, send: Callable[[Command], None]) -> None:
        self.current = current
        self.send = send

    def snapshot(self) -> Snapshot:
        """Return the present snapshot."""
        return self.current


class _StagedApp(FuseboardApp):
    NOTIFICATION_TIMEOUT = 3600.0  # seconds: the stage removes them, not a clock


class Stage:
    """Press keys, wait for their effect in the run, and take screenshots."""

    def __init__(
        self, pilot: Pilot[str], source: StagedSource, next_snapshot: NextSnapshot
    ) -> None:
        self._pilot = pilot
        self._source = source
        self._next_snapshot = next_snapshot
        self.screenshots: dict[str, str] = {}
        """SVGs by name."""
        self.frames: list[Frame] = []
        """The frames of the tour."""

    async def press(self, key: str, caption: str) -> None:
        """Press a key, and show its effect."""
        self._pilot.app.clear_notifications()
        await self._pilot.press(key)
        await self._advance(_SETTLING_SECONDS)
        self.film(caption, _READING_SECONDS)

    async def type(self, text: str, caption: str) -> None:
        """Type a text, and show it."""
        await self._pilot.press(*text)
        await self._advance(_SETTLING_SECONDS)
        self.film(caption, _READING_SECONDS)

    async def until(self, reached: Callable[[Snapshot], bool], caption: str) -> None:
        """Film until a state is reached.

        Raises:
            RuntimeError: If it never is.
        """
        for _ in range(_MAX_FRAMES):
            if reached(self._source.current):
                self.film(caption, _READING_SECONDS)
                return
            await self._advance(_FRAME_SECONDS)
            self.film(caption, _SHOWN_SECONDS)
        raise RuntimeError(f"not reached: {caption}")

    def film(self, caption: str, seconds: float) -> None:
        """Add the screen to the tour, below a caption."""
        svg = self._pilot.app.export_screenshot()
        self.frames.append(Frame(svg, f"fuseboard — {caption}", seconds))

    def take_screenshot(self, name: str) -> None:
        """Store a screenshot."""
        self.screenshots[name] = self._pilot.app.export_screenshot(title="fuseboard")

    async def _advance(self, seconds: float) -> None:
        self._source.current = await self._next_snapshot(seconds)
        for screen in self._pilot.app.screen_stack:
            for line in screen.query(Input):
                line.cursor_blink = False
            if isinstance(screen, BoardScreen):
                screen.take_snapshot()
            elif isinstance(screen, AskScreen | SettingsScreen | StateDiagramScreen):
                screen.show()
        await self._pilot.pause()


@asynccontextmanager
async def staged(source: StagedSource, next_snapshot: NextSnapshot) -> AsyncIterator[Stage]:
    """Run the dashboard without a terminal, in UTC and in colour."""
    os.environ["TZ"] = "UTC"
    time.tzset()
    os.environ.pop("NO_COLOR", None)
    app = _StagedApp(source, clock=lambda: 0.0)
    app.animation_level = "none"
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await pilot.pause()
        yield Stage(pilot, source, next_snapshot)
