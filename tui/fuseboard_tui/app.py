"""The dashboard as a Textual application."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

from textual.app import App, SystemCommand
from textual.binding import BindingType
from textual.screen import Screen

from fuseboard.recording.replay import Replay
from fuseboard_tui import themes
from fuseboard_tui.board.palette import key_commands
from fuseboard_tui.board.replay_screen import ReplayScreen
from fuseboard_tui.board.screen import BoardScreen
from fuseboard_tui.board.source import Source
from fuseboard_tui.board.timeline import LiveTimeline
from fuseboard_tui.text.sanitize import sanitize

_LAST_WORDS = 3.0  # seconds to end properly in after the terminal is gone

# XTWINOPS, which terminals that know no stack of titles pass over.
_SAVE_TITLE = "\x1b[22;2t"
_RESTORE_TITLE = "\x1b[23;2t"


class FuseboardApp(App[str]):
    """Draws what a source shows and sends it what the keys ask for.

    `run()` gives the reason why the source failed, if it did; the return code
    is 2 then. It never starts or stops the source.

    Args:
        source: What is shown; a replay is shown with keys of its own.
        directory: Where files go that the user asks for.
        theme: The theme to begin with.
        on_theme: Hears the name of each theme that is chosen.
        bell: Whether the terminal's bell rings when a breaker opens.
        clock: Seconds that only ever go forward, by which a silent source is noticed.
    """

    TITLE = "fuseboard"
    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(
        self,
        source: Source | Replay,
        directory: Path = Path(),
        *,
        theme: str = themes.DEFAULT,
        on_theme: Callable[[str], None] = lambda _: None,
        bell: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # Without colour, grey shades are none either: what alarms would be the darkest of them.
        super().__init__(ansi_color=True if "NO_COLOR" in os.environ else None)
        self._source = source
        self._directory = directory
        for own in themes.OWN:
            self.register_theme(own)
        self.theme = theme
        self._on_theme = on_theme
        self._rings = bell
        self._clock = clock

    def get_default_screen(self) -> Screen[None]:
        """Give the board."""
        if isinstance(self._source, Replay):
            return ReplayScreen(self._source, self._directory)
        live = LiveTimeline(self._source, self._clock)
        return BoardScreen(self._source, live, self._directory, bell=self._rings)

    def on_mount(self) -> None:
        """Hear of themes, and leave the terminal as it was when the process is told to end."""
        self.theme_changed_signal.subscribe(self, lambda theme: self._on_theme(theme.name))
        self._tell_terminal(_SAVE_TITLE)
        self.watch_title(self.title)
        if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
            return  # signals cannot be handled there
        loop = asyncio.get_running_loop()
        for ending in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(ending, self._end, ending)

    def on_unmount(self) -> None:
        """Give the terminal its title back."""
        self._tell_terminal(_RESTORE_TITLE)

    def watch_title(self, title: str) -> None:
        """Have the terminal show the title."""
        self._tell_terminal(f"\x1b]2;{sanitize(title, 100)}\x07")

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Offer everything that has a key in the palette too."""
        for command in super().get_system_commands(screen):
            if command.title != "Screenshot":  # the board has its own, which says where it is
                yield command
        yield from key_commands(screen)
        if isinstance(screen, BoardScreen):
            yield from screen.palette_commands()

    def _tell_terminal(self, sequence: str) -> None:
        # As Textual rings the bell; it has no way of its own to set a title.
        if not self.is_headless and self._driver is not None:
            self._driver.write(sequence)

    def _end(self, ending: signal.Signals) -> None:
        if ending is signal.SIGHUP:
            # The terminal is gone, and Textual's last words to it may wait for it for ever.
            giving_up = threading.Timer(_LAST_WORDS, os._exit, [128 + ending])
            giving_up.daemon = True
            giving_up.start()
        self.exit(return_code=128 + ending)
