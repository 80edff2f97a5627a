"""The settings of one breaker, which can be changed while it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Input, Static

from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard.breaker.tunables import Tunable, format_number
from fuseboard.engine.commands import Command, ConfigureBreaker
from fuseboard_tui.screens.help import HelpScreen
from fuseboard_tui.text.glyphs import GLYPHS, state_label
from fuseboard_tui.text.sanitize import sanitize
from fuseboard_tui.text.wrap import wrap_text
from fuseboard_tui.widgets.keys_footer import KeysFooter
from fuseboard_tui.widgets.tunable_list import TunableList

_DRAWS_PER_SECOND = 4
_NO_BREAKER = "there is no breaker of that name at this moment"
_NO_TUNABLES = "nothing that could be set here: it is only reported, or was recorded without that"
_NOTES = {
    "trip": "A changed trip policy counts afresh, apart from the failures in a row.",
    "recovery_timeout": "An opening that is under way keeps its length.",
}


class SettingsScreen(Screen[None]):
    """Show the tunables of a breaker, and send the values that the user types.

    A typed value is shown once the breaker has taken it, not before.

    Args:
        breaker: The breaker's name.
        get_breaker: Returns the present breaker; `None` if it no longer exists.
        send: Sends a command to the source.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,s,ctrl+c", "back", "back", id="back", key_display="Esc"),
        Binding(
            "enter",
            "edit",
            "change",
            id="edit",
            key_display="Enter",
            tooltip="type what the chosen number shall be",
        ),
        Binding("down,j", "select(1)", "next number", id="next", key_display="↓", show=False),
        Binding(
            "up,k", "select(-1)", "previous number", id="previous", key_display="↑", show=False
        ),
        Binding("question_mark,f1", "help", "help", id="help", key_display="?"),
    ]
    AUTO_FOCUS = ""

    def __init__(
        self,
        breaker: str,
        get_breaker: Callable[[], BreakerSnapshot | None],
        send: Callable[[Command], None],
    ) -> None:
        super().__init__()
        self._breaker = breaker
        self._get_breaker = get_breaker
        self._send = send
        self._tunables: Sequence[Tunable] = ()
        self._selected = ""

    def compose(self) -> ComposeResult:
        """Create the widgets."""
        yield TunableList(id="numbers")
        yield Static(id="about", markup=False)
        with Horizontal(id="edit"):
            yield Input(compact=True)
            yield Static(id="validity", markup=False)
        yield KeysFooter()

    def on_mount(self) -> None:
        """Begin to draw."""
        self.show()
        self.set_interval(1 / _DRAWS_PER_SECOND, self.show)

    def on_resize(self) -> None:
        """Redraw in the new size."""
        self.call_after_refresh(self.show)

    def show(self) -> None:
        """Draw the present values."""
        if not self.is_mounted:
            return
        breaker = self._get_breaker()
        self._tunables = breaker.tunables if breaker else ()
        if self._is_editing and self._selected not in {tunable.name for tunable in self._tunables}:
            self._leave_edit()  # the typed value was meant for a tunable that is gone
        tunable = self._selected_tunable()
        rows = self.query_one(TunableList)
        state = f", {GLYPHS[breaker.state]} {state_label(breaker)}" if breaker else ""
        rows.set_title(f"Settings of {sanitize(self._breaker, 60)}{state}")
        if tunable is None:
            message = _NO_TUNABLES if breaker else _NO_BREAKER
            width = max(rows.size.width - 2, 1)
            rows.draw_rows([((f" {line}", "quiet"),) for line in wrap_text(message, width)])
        else:
            self._selected = tunable.name
            rows.show(self._tunables, self._tunables.index(tunable))
        about, text = self.query_one("#about", Static), _about(tunable) if tunable else ""
        if text != str(about.content):  # an update causes a new layout
            about.update(Content(text))

    def on_tunable_list_selected(self, message: TunableList.Selected) -> None:
        """Select the clicked tunable; edit it if it was selected already."""
        if message.index >= len(self._tunables):
            return
        name = self._tunables[message.index].name
        if name == self._selected:
            self.action_edit()
            return
        self._leave_edit()
        self._selected = name
        self.show()

    def on_input_changed(self, message: Input.Changed) -> None:
        """Check the typed value."""
        self._check(message.value)

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Send the typed value, if it is valid."""
        tunable, value = self._selected_tunable(), self._check(message.value)
        if tunable is None or value is None:
            return
        self._leave_edit()
        if value != tunable.value:
            self._send(ConfigureBreaker(self._breaker, {tunable.name: value}))

    def action_select(self, step: int) -> None:
        """Move the selection by `step` rows, except while a value is being edited."""
        tunable = self._selected_tunable()
        if tunable is not None and not self._is_editing:
            index = self._tunables.index(tunable) + step
            self._selected = self._tunables[max(0, min(index, len(self._tunables) - 1))].name
            self.show()

    def action_edit(self) -> None:
        """Open the line in which the selected tunable is edited."""
        tunable = self._selected_tunable()
        if tunable is None:
            return
        line = self.query_one(Input)
        if not self._is_editing:
            self.query_one("#edit").display = True
            line.value = format_number(tunable.value)
            self._check(line.value)
        line.focus()

    def action_back(self) -> None:
        """Close the edit line, or the screen if it is not open."""
        if self._is_editing:
            self._leave_edit()
        else:
            self.dismiss()

    def action_help(self) -> None:
        """Open the help."""
        self.app.push_screen(HelpScreen(list(self._bindings)))

    @property
    def _is_editing(self) -> bool:
        return bool(self.query_one("#edit").display)

    def _leave_edit(self) -> None:
        self.query_one("#edit").display = False
        self.set_focus(None)

    def _selected_tunable(self) -> Tunable | None:
        """Return the selected tunable, the first one if that is gone, `None` if there is none."""
        named = (tunable for tunable in self._tunables if tunable.name == self._selected)
        return next(named, self._tunables[0] if self._tunables else None)

    def _check(self, text: str) -> float | None:
        """Show beside the line whether a text is valid; return its value if it is."""
        tunable = self._selected_tunable()
        if tunable is None:
            return None
        value, message = None, "Enter sets it, Esc leaves it as it is"
        try:
            value = _typed(tunable, text)
        except ValueError as error:
            message = str(error)
        validity = self.query_one("#validity", Static)
        validity.update(Content(sanitize(message)))
        validity.set_class(value is None, "alarm")
        validity.set_class(value is not None, "quiet")
        return value


def _typed(tunable: Tunable, text: str) -> float:
    """Return a text as a value of a tunable, or raise `ValueError`."""
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"not a number: {tunable.name} takes {tunable.kind.value}") from None
    tunable.check(value)
    return value


def _about(tunable: Tunable) -> str:
    meaning = f"{tunable.meaning}; " if tunable.meaning else ""
    text = f"{sanitize(tunable.name)}: {sanitize(meaning)}{tunable.kind.value}."
    for prefix, note in _NOTES.items():
        if tunable.name.startswith(prefix):
            text += f" {note}"
    return text
