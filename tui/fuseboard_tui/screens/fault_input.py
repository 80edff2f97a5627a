"""A line in which a fault is typed, with its probability and other settings."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from fuseboard.engine.commands import SetFault
from fuseboard.faults.catalogue import find_fault
from fuseboard.faults.notation import parse_fault
from fuseboard.invalid_input import InvalidInputError
from fuseboard_tui.text.sanitize import sanitize
from fuseboard_tui.widgets import breakpoints


class FaultInputScreen(ModalScreen[SetFault]):
    """Edit a fault in the notation of `--fault`; describe its effect, or what is wrong.

    The result is the command that switches the fault on, or `None`.

    Args:
        initial: The text to begin with.
    """

    HORIZONTAL_BREAKPOINTS = breakpoints.HORIZONTAL
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+c", "dismiss", "leave it", id="dismiss", key_display="Esc"),
    ]

    def __init__(self, initial: str) -> None:
        super().__init__()
        self._initial = initial

    def compose(self) -> ComposeResult:
        """Create the widgets."""
        with Vertical(classes="detail") as box:
            box.border_title = "Set a fault"
            box.border_subtitle = "Enter switches it on, Esc leaves it"
            yield Input(
                self._initial,
                placeholder="cut:0.5,chunks=10,path=/api/chat",
                compact=True,
                select_on_focus=False,
            )
            yield Static(markup=False)

    def on_input_changed(self, message: Input.Changed) -> None:
        """Describe the effect of the fault, or what is wrong."""
        note = self.query_one(Static)
        try:
            name, setting = parse_fault(message.value)
        except InvalidInputError as error:
            note.update(Content(sanitize(str(error))))
            note.add_class("-wrong")
        else:
            effect = find_fault(name).describe(setting)
            to = f" to {', '.join(setting.paths)}" if setting.paths else ""
            share = f"{100 * setting.probability:.4g} % of the requests{to}"
            note.update(Content(sanitize(f"{share}: {effect}")))
            note.remove_class("-wrong")

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Close with the command, or ring the bell if the text is invalid."""
        try:
            name, setting = parse_fault(message.value)
        except ValueError:
            self.app.bell()
        else:
            self.dismiss(SetFault(name, True, setting))
