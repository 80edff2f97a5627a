"""Base of the screens on which keys and clicks switch faults."""

from __future__ import annotations

from textual.binding import Binding, BindingType
from textual.events import Key
from textual.screen import Screen

from fuseboard_tui.screens.fault_controls import FaultControls
from fuseboard_tui.widgets.fault_list import FaultList

FAULT_KEYS: list[BindingType] = [
    Binding("0", "clear_faults", "clear", id="clear", tooltip="switch every fault off"),
    Binding(
        "plus,equals_sign",
        "probability(1)",
        "share",
        id="more",
        key_display="+/-",
        tooltip="the selected fault hits more often",
    ),
    Binding(
        "minus",
        "probability(-1)",
        "less often",
        id="less",
        show=False,
        tooltip="the selected fault hits less often",
    ),
]
"""The keys common to all faults; besides, each fault has its own."""


class FaultKeysScreen(Screen[None]):
    """Turn keys and clicks into commands about faults.

    Args:
        faults: Sends the commands.
    """

    def __init__(self, faults: FaultControls) -> None:
        super().__init__()
        self.faults = faults

    def show(self) -> None:
        """Draw the present state."""
        raise NotImplementedError

    def on_key(self, event: Key) -> None:
        """Toggle the fault whose key was pressed."""
        name = self.query_one(FaultList).name_by_key(event.character)
        if name is not None:
            event.stop()
            self.faults.toggle(name)
            self.show()

    def on_fault_list_toggled(self, message: FaultList.Toggled) -> None:
        """Toggle the clicked fault."""
        self.faults.toggle(message.name)
        self.show()

    def action_clear_faults(self) -> None:
        """Switch every fault off, and end the scenario."""
        self.faults.clear()

    def action_probability(self, direction: int) -> None:
        """Raise (1) or lower (-1) the probability of the selected fault."""
        if not self.faults.change_probability(direction):
            self.notify("switch a fault on first, with its key", markup=False)
