"""A line in which a fault is set: how often it hits, for how long, after how many chunks."""

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
from fuseboard_tui.text.sanitize import sanitize


class FaultLineScreen(ModalScreen[SetFault]):
    """Lets a fault be typed as for `--fault`, and says what it would do or what is wrong.

    It ends with the command that switches the fault on so, or with none.

    Args:
        spelled: What stands in the line at first.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+c", "dismiss", "leave it", id="dismiss", key_display="Esc"),
    ]

    def __init__(self, spelled: str) -> None:
        super().__init__()
        self._spelled = spelled

    def compose(self) -> ComposeResult:
        """Lay it out."""
        with Vertical(classes="detail") as box:
            box.border_title = "Set a fault"
            box.border_subtitle = "Enter switches it on, Esc leaves it"
            yield Input(
                self._spelled,
                placeholder="cut:0.5,chunks=10,path=/api/chat",
                compact=True,
                select_on_focus=False,
            )
            yield Static(markup=False)

    def on_input_changed(self, message: Input.Changed) -> None:
        """Say what the fault would do, or what is wrong."""
        words = self.query_one(Static)
        try:
            name, setting = parse_fault(message.value)
        except ValueError as error:
            words.update(Content(sanitize(str(error))))
            words.add_class("-wrong")
        else:
            does = find_fault(name).describe(setting)
            to = f" to {', '.join(setting.paths)}" if setting.paths else ""
            share = f"{100 * setting.probability:.4g} % of the requests{to}"
            words.update(Content(sanitize(f"{share}: {does}")))
            words.remove_class("-wrong")

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Switch the fault on, if there is one."""
        try:
            name, setting = parse_fault(message.value)
        except ValueError:
            self.app.bell()
        else:
            self.dismiss(SetFault(name, True, setting))
