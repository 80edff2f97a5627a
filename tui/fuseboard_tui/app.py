"""The dashboard as a Textual application."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict, Unpack

from rich.text import Text
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.filter import LineFilter
from textual.screen import Screen

from fuseboard_tui import themes
from fuseboard_tui.text.safe_screen import SafeText
from fuseboard_tui.text.sanitize import sanitize

if TYPE_CHECKING:
    from fuseboard.recording.replay import Replay
    from fuseboard_tui.timeline.source import Source

_EXIT_TIMEOUT = 3.0  # seconds to end properly in after the terminal is gone


class AppSettings(TypedDict, total=False):
    """The arguments of `DashboardApp`."""

    directory: Path
    theme: str
    on_theme: Callable[[str], None]
    bell: bool
    clock: Callable[[], float]


class DashboardApp(App[str]):
    """The dashboard without a source: its themes, its palette and how it ends.

    `run()` returns the reason if the source failed; the return code is 2 then.

    Args:
        directory: Where exported files are written.
        theme: The theme to begin with.
        on_theme: Called with the name of each theme that is chosen.
        bell: Whether the terminal's bell rings when a breaker opens.
        clock: Monotonic clock, seconds; a silent source is noticed by it.
    """

    TITLE = "fuseboard"
    CSS_PATH = Path(__file__).with_name("app.tcss")
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+z", "suspend_process", "stop, `fg` goes on", show=False, priority=True)
    ]

    def __init__(
        self,
        *,
        directory: Path = Path(),
        theme: str = themes.DEFAULT,
        on_theme: Callable[[str], None] = lambda _: None,
        bell: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # Without colour, alarms would be the darkest shade of grey.
        super().__init__(ansi_color=True if "NO_COLOR" in os.environ else None)
        self._directory = directory
        for own in themes.OWN:
            self.register_theme(own)
        self.theme = theme
        self._on_theme = on_theme
        self._rings = bell
        self._clock = clock
        self._safe_text = SafeText()

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return the filters of every line, the last of which sanitises its text."""
        return [*super().get_line_filters(), self._safe_text]

    def board(self, source: Source | Replay) -> Screen[None]:
        """Return a screen that shows a source; what it needs is imported only now."""
        from fuseboard.recording.replay import Replay
        from fuseboard_tui.board.replay_screen import ReplayScreen
        from fuseboard_tui.board.screen import BoardScreen
        from fuseboard_tui.timeline.timeline import LiveTimeline

        if isinstance(source, Replay):
            return ReplayScreen(source, self._directory, bell=self._rings)
        live = LiveTimeline(source, self._clock)
        return BoardScreen(source, live, self._directory, bell=self._rings)

    def get_driver_class(self) -> type[Driver]:
        """Return our own driver where Textual would take its own for Unix."""
        if sys.platform == "win32" or "TEXTUAL_DRIVER" in os.environ:
            return super().get_driver_class()
        from fuseboard_tui.terminal.driver import TerminalDriver

        return TerminalDriver

    def on_mount(self) -> None:
        """Subscribe to themes, and end properly at a signal: the terminal is left as it was."""
        self.theme_changed_signal.subscribe(self, lambda theme: self._on_theme(theme.name))
        self.app_resume_signal.subscribe(self, lambda _: self._draw_anew())
        self.watch_title(self.title)
        if (encoding := getattr(self._driver, "encoding", "utf-8")) != "utf-8":
            self.notify(f"drawn in {encoding}, as the locale says; LANG=C.UTF-8 draws it whole")
        if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
            return  # signals cannot be handled there
        loop = asyncio.get_running_loop()
        for ending in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(ending, self._end, ending)

    def watch_title(self, title: str) -> None:
        """Set the title of the terminal."""
        self._write_to_terminal(f"\x1b]2;{sanitize(title, 100)}\x07")

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Yield the entries of the palette: everything that has a key, and what the board adds."""
        for command in super().get_system_commands(screen):
            if command.title != "Screenshot":  # the board has its own, which says where it is
                yield command
        from fuseboard_tui.board.palette import key_commands
        from fuseboard_tui.board.screen import BoardScreen

        yield from key_commands(screen)
        if isinstance(screen, BoardScreen):
            yield from screen.palette_commands()

    def _fatal_error(self) -> None:
        # Textual would show the values of local variables: keys and prompts are among them.
        self._exit_renderables.append(Text(traceback.format_exc()))
        self._close_messages_no_wait()

    def action_suspend_process(self) -> None:
        """Stop as other programs do at Ctrl+Z, or say why not."""
        if self._driver is None or not hasattr(self._driver, "suspend"):
            self.notify("there are no stopped jobs here: Ctrl+Z does nothing", markup=False)
        else:
            self._driver.suspend()

    def _draw_anew(self) -> None:
        """Draw everything: the terminal was somebody else's, or has missed something."""
        self.watch_title(self.title)
        self.refresh(layout=True)

    def _write_to_terminal(self, sequence: str) -> None:
        # As Textual rings the bell; it has no way of its own to set a title.
        if not self.is_headless and self._driver is not None:
            self._driver.write(sequence)

    def _end(self, ending: signal.Signals) -> None:
        if ending is signal.SIGHUP:
            # The terminal is gone, and what Textual still writes to it may block for ever.
            timer = threading.Timer(_EXIT_TIMEOUT, os._exit, [128 + ending])
            timer.daemon = True
            timer.start()
        self.exit(return_code=128 + ending)


class FuseboardApp(DashboardApp):
    """Draw the snapshots of a source, and send it the commands of the keys.

    The app never starts or stops the source.

    Args:
        source: What is shown; a replay is shown with keys of its own.
        settings: As those of `DashboardApp`.
    """

    def __init__(self, source: Source | Replay, **settings: Unpack[AppSettings]) -> None:
        super().__init__(**settings)
        self._source = source

    def get_default_screen(self) -> Screen[None]:
        """Return the board."""
        return self.board(self._source)
