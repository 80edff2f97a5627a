"""A screenful of lines that can be moved through and searched."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Input

from fuseboard_tui.screens.help import HelpScreen
from fuseboard_tui.widgets.keys_footer import KeysFooter
from fuseboard_tui.widgets.lines import Rows


class SearchedLinesScreen(Screen[None]):
    """Shows the lines that contain what is typed, or all of them."""

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
        self.wanted = ""
        """What is typed, in small letters."""

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield Input(id="search", placeholder="letters in a line", compact=True)
        yield Rows(id="lines")
        yield KeysFooter()

    def show(self) -> None:
        """Draw the lines that are wanted."""
        raise NotImplementedError

    def on_input_changed(self, message: Input.Changed) -> None:
        """Show the lines that contain what is typed."""
        self.wanted = message.value.casefold()
        self.show()

    def on_input_submitted(self) -> None:
        """Give the keys back."""
        self.set_focus(None)

    def on_resize(self) -> None:
        """Draw in the new size."""
        self.call_after_refresh(self.show)

    def action_search(self) -> None:
        """Type what the lines shall contain."""
        line = self.query_one("#search", Input)
        line.display = True
        line.focus()

    def action_back(self) -> None:
        """Show all lines again, or leave where all are shown."""
        line = self.query_one("#search", Input)
        if line.display:
            line.value = ""
            line.display = False
            self.set_focus(None)
        else:
            self.dismiss()

    def action_help(self) -> None:
        """Show the keys of this screen."""
        self.app.push_screen(HelpScreen(list(self._bindings)))

    def action_scroll(self, rows: int) -> None:
        """Move through the lines."""
        self.query_one(Rows).move(rows)

    def action_page(self, direction: int) -> None:
        """Move by a screenful."""
        self.query_one(Rows).page(direction)
