"""The settings of one breaker: its thresholds and timeouts, changed while it runs."""

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
from fuseboard_tui.widgets.tunable_list import NumberList

_DRAWS_PER_SECOND = 4
_NO_BREAKER = "there is no breaker of that name at this moment"
_NO_NUMBERS = "nothing that could be set here: it is only reported, or was recorded without that"
_NOTES = {
    "trip": "A changed trip policy counts afresh, apart from the failures in a row.",
    "recovery_timeout": "An opening that is under way keeps its length.",
}


class SettingsScreen(Screen[None]):
    """Shows the numbers of a breaker that can be set, and sends what they are to be.

    A number is shown as it is, not as it was asked for: what was typed stands
    there once the breaker has it.

    Args:
        breaker: The breaker's name.
        look: Gives the breaker as it is now; `None` if it is no more.
        send: Has a command carried out.
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
        Binding("down,j", "choose(1)", "next number", id="next", key_display="↓", show=False),
        Binding(
            "up,k", "choose(-1)", "previous number", id="previous", key_display="↑", show=False
        ),
        Binding("question_mark,f1", "help", "help", id="help", key_display="?"),
    ]
    AUTO_FOCUS = ""

    def __init__(
        self,
        breaker: str,
        look: Callable[[], BreakerSnapshot | None],
        send: Callable[[Command], None],
    ) -> None:
        super().__init__()
        self._breaker = breaker
        self._look = look
        self._send = send
        self._numbers: Sequence[Tunable] = ()
        self._chosen = ""

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield NumberList(id="numbers")
        yield Static(id="about", markup=False)
        with Horizontal(id="edit"):
            yield Input(compact=True)
            yield Static(id="verdict", markup=False)
        yield KeysFooter()

    def on_mount(self) -> None:
        """Begin to draw."""
        self.show()
        self.set_interval(1 / _DRAWS_PER_SECOND, self.show)

    def on_resize(self) -> None:
        """Draw in the new size."""
        self.call_after_refresh(self.show)

    def show(self) -> None:
        """Draw the numbers as they are now."""
        if not self.is_mounted:
            return
        breaker = self._look()
        self._numbers = breaker.settings if breaker else ()
        if self._is_editing and self._chosen not in {number.name for number in self._numbers}:
            self._leave_edit()  # what is being typed is meant for no other
        number = self._number()
        rows = self.query_one(NumberList)
        state = f", {GLYPHS[breaker.state]} {state_label(breaker)}" if breaker else ""
        rows.entitle(f"Settings of {sanitize(self._breaker, 60)}{state}")
        if number is None:
            words = _NO_NUMBERS if breaker else _NO_BREAKER
            width = max(rows.size.width - 2, 1)
            rows.draw_rows([((f" {line}", "quiet"),) for line in wrap_text(words, width)])
        else:
            self._chosen = number.name
            rows.show(self._numbers, self._numbers.index(number))
        about, words = self.query_one("#about", Static), _about(number) if number else ""
        if words != str(about.content):  # to update it lays the screen out again
            about.update(Content(words))

    def on_number_list_chosen(self, message: NumberList.Chosen) -> None:
        """Choose the number that was clicked; change it if it was chosen already."""
        if message.index >= len(self._numbers):
            return
        name = self._numbers[message.index].name
        if name == self._chosen:
            self.action_edit()
            return
        self._leave_edit()
        self._chosen = name
        self.show()

    def on_input_changed(self, message: Input.Changed) -> None:
        """Say at once what is wrong."""
        self._judge(message.value)

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Send what was typed, if the number can be that."""
        number, value = self._number(), self._judge(message.value)
        if number is None or value is None:
            return
        self._leave_edit()
        if value != number.value:
            self._send(ConfigureBreaker(self._breaker, {number.name: value}))

    def action_choose(self, step: int) -> None:
        """Choose the next number, or the one before; not while one is being changed."""
        number = self._number()
        if number is not None and not self._is_editing:
            place = self._numbers.index(number) + step
            self._chosen = self._numbers[max(0, min(place, len(self._numbers) - 1))].name
            self.show()

    def action_edit(self) -> None:
        """Type what the chosen number shall be."""
        number = self._number()
        if number is None:
            return
        line = self.query_one(Input)
        if not self._is_editing:
            self.query_one("#edit").display = True
            line.value = format_number(number.value)
            self._judge(line.value)
        line.focus()

    def action_back(self) -> None:
        """Leave the number as it is, or leave the screen."""
        if self._is_editing:
            self._leave_edit()
        else:
            self.dismiss()

    def action_help(self) -> None:
        """Show the keys of this screen."""
        self.app.push_screen(HelpScreen(list(self._bindings)))

    @property
    def _is_editing(self) -> bool:
        return bool(self.query_one("#edit").display)

    def _leave_edit(self) -> None:
        self.query_one("#edit").display = False
        self.set_focus(None)

    def _number(self) -> Tunable | None:
        """Find the chosen number, which is the first where it is not there."""
        named = (number for number in self._numbers if number.name == self._chosen)
        return next(named, self._numbers[0] if self._numbers else None)

    def _judge(self, text: str) -> float | None:
        """Say beside the line what is wrong with it; give the number if nothing is."""
        number = self._number()
        if number is None:
            return None
        value, words = None, "Enter sets it, Esc leaves it as it is"
        try:
            value = _typed(number, text)
        except ValueError as error:
            words = str(error)
        verdict = self.query_one("#verdict", Static)
        verdict.update(Content(sanitize(words)))
        verdict.set_class(value is None, "alarm")
        verdict.set_class(value is not None, "quiet")
        return value


def _typed(number: Tunable, text: str) -> float:
    """Read a number that fits, or raise `ValueError`."""
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"not a number: {number.name} takes {number.kind.value}") from None
    number.check(value)
    return value


def _about(number: Tunable) -> str:
    meaning = f"{number.meaning}; " if number.meaning else ""
    words = f"{sanitize(number.name)}: {sanitize(meaning)}{number.kind.value}."
    for part, note in _NOTES.items():
        if number.name.startswith(part):
            words += f" {note}"
    return words
