"""The dashboard while its engine starts; its first frame imports nothing of the board."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Unpack

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Static

from fuseboard.invalid_input import InvalidInputError
from fuseboard_tui.app import AppSettings, DashboardApp

if TYPE_CHECKING:
    from fuseboard_tui.timeline.source import Source

_logger = logging.getLogger(__name__)


class StartingApp(DashboardApp):
    """The dashboard of a source that is not started yet.

    The first frame says *starting*. Then the source is started on a thread of its own, so
    that the screen keeps responding; once it has started, the board covers the first screen.

    Args:
        start: Imports and starts the source and returns it; raises `InvalidInputError` with the
            message for the user if it cannot. Called on the thread.
        settings: As those of `DashboardApp`.
    """

    class Started(Message):
        """The source has started."""

        def __init__(self, source: Source) -> None:
            super().__init__()
            self.source = source

    class Failed(Message):
        """The source could not be started."""

        def __init__(self, problem: str) -> None:
            super().__init__()
            self.problem = problem

    def __init__(self, start: Callable[[], Source], **settings: Unpack[AppSettings]) -> None:
        super().__init__(**settings)
        self._start = start
        self._thread = threading.Thread(target=self._run_start, name="fuseboard-start", daemon=True)

    def get_default_screen(self) -> Screen[None]:
        """Return the screen of the first frame."""
        return StartingScreen()

    def on_ready(self) -> None:
        """Start the source, now that the first frame is drawn."""
        self._thread.start()

    def on_starting_app_started(self, message: Started) -> None:
        """Show the board over the first screen, for good."""
        self.push_screen(self.board(message.source))

    def on_starting_app_failed(self, message: Failed) -> None:
        """Exit with the reason."""
        self.exit(message.problem, return_code=2)

    def join(self) -> None:
        """Wait until the source has started, or could not, if its start has begun."""
        if self._thread.ident is not None:
            self._thread.join()

    def _run_start(self) -> None:
        try:
            source = self._start()
        except InvalidInputError as error:
            self.post_message(self.Failed(str(error)))
        except Exception as error:
            _logger.exception("the start failed")
            self.post_message(self.Failed(f"the start failed: {type(error).__name__}: {error}"))
        else:
            self.post_message(self.Started(source))


class StartingScreen(Screen[None]):
    """The screen of the first frame: a header that says *starting*."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("q,ctrl+c,ctrl+q", "app.quit", show=False)]

    def compose(self) -> ComposeResult:
        """Create the line."""
        yield Static(" fuseboard · starting…", id="header")

    def on_key(self, event: events.Key) -> None:
        """Notify the user that no command is possible yet."""
        self.notify(f"{event.key} does nothing yet: the engine is starting", markup=False)
