"""A screen on which keys and clicks switch faults."""

from __future__ import annotations

from textual.binding import Binding, BindingType
from textual.events import Key
from textual.screen import Screen

from fuseboard_tui.board.fault_controls import FaultControls
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
"""The keys that all faults share; each has one of its own besides."""


class FaultKeysScreen(Screen[None]):
    """Turns keys and clicks into commands about faults.

    Args:
        switches: The faults.
    """

    def __init__(self, switches: FaultControls) -> None:
        super().__init__()
        self.switches = switches

    def show(self) -> None:
        """Draw everything as it is now."""
        raise NotImplementedError

    def on_key(self, event: Key) -> None:
        """Switch the fault whose key was pressed."""
        name = self.query_one(FaultList).named_by(event.character)
        if name is not None:
            event.stop()
            self.switches.toggle(name)
            self.show()

    def on_fault_list_toggled(self, message: FaultList.Toggled) -> None:
        """Switch the fault that was clicked."""
        self.switches.toggle(message.name)
        self.show()

    def action_clear_faults(self) -> None:
        """Switch every fault off, and end the scenario."""
        self.switches.clear()

    def action_probability(self, direction: int) -> None:
        """Let the selected fault hit more often, or less often."""
        if not self.switches.change_share(direction):
            self.notify("switch a fault on first, with its key", markup=False)
