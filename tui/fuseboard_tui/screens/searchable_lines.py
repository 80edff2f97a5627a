"""Base of the screens of lines that can be scrolled and searched."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Input

from fuseboard_tui.screens.help import HelpScreen
from fuseboard_tui.widgets.keys_footer import KeysFooter
from fuseboard_tui.widgets.lines import ScrollableLines


class SearchableLinesScreen(Screen[None]):
    """Show the lines that contain the typed text, or all lines."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,ctrl+c", "back", "back", id="back", key_display="Esc"),
        Binding(
            "slash", "search", "search", id="search", key_display="/", tooltip="only certain lines"
        ),
        Binding("down,j", "scroll(1)", "down", id="down", key_display="↓", show=False),
        Binding("up,k", "scroll(-1)", "up", id="up", key_display="↑", show=False),
        Binding("pagedown,space", "page(1)", "page", id="page_down", key_display="PgDn"),
        Binding("pageup", "page(-1)", "page up", id="page_up", show=False),
        Binding("question_mark,f1", "help", "help", id="help", key_display="?"),
    ]
    AUTO_FOCUS = ""

    def __init__(self) -> None:
        super().__init__()
        self.search_text = ""
        """The typed text, case-folded."""

    def compose(self) -> ComposeResult:
        """Create the widgets."""
        yield Input(id="search", placeholder="letters in a line", compact=True)
        yield ScrollableLines(id="lines")
        yield KeysFooter()

    def show(self) -> None:
        """Draw the matching lines."""
        raise NotImplementedError

    def on_input_changed(self, message: Input.Changed) -> None:
        """Apply the search."""
        self.search_text = message.value.casefold()
        self.show()

    def on_input_submitted(self) -> None:
        """Return the keys to the screen."""
        self.set_focus(None)

    def on_resize(self) -> None:
        """Redraw in the new size."""
        self.call_after_refresh(self.show)

    def action_search(self) -> None:
        """Open the search line."""
        line = self.query_one("#search", Input)
        line.display = True
        line.focus()

    def action_back(self) -> None:
        """Close the search line, or the screen if it is not open."""
        line = self.query_one("#search", Input)
        if line.display:
            line.value = ""
            line.display = False
            self.set_focus(None)
        else:
            self.dismiss()

    def action_help(self) -> None:
        """Open the help."""
        self.app.push_screen(HelpScreen(list(self._bindings)))

    def action_scroll(self, rows: int) -> None:
        """Scroll by a number of rows."""
        self.query_one(ScrollableLines).move(rows)

    def action_page(self, direction: int) -> None:
        """Scroll by a page."""
        self.query_one(ScrollableLines).page(direction)
