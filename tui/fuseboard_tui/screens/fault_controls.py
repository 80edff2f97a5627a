"""Commands to the source about faults."""

from __future__ import annotations

from msgspec.structs import replace

from fuseboard.engine.commands import ClearFaults, SetFault
from fuseboard.snapshot.snapshot import FaultSnapshot
from fuseboard_tui.timeline.source import Source

_STEP = 0.1  # of a fault's probability


class FaultControls:
    """Send the commands behind the fault keys, and remember the fault that was set last.

    Args:
        source: Receives the commands.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.selected = ""
        """The name of the fault whose probability the keys change; empty at first."""

    def toggle(self, name: str) -> None:
        """Switch a fault on or off."""
        fault = self._find(name)
        if fault is not None:
            self.set(SetFault(name, not fault.active))

    def change_probability(self, direction: int) -> bool:
        """Change the probability of the selected fault by 0.1, up to 1.

        Args:
            direction: 1 to raise it, -1 to lower it.

        Returns:
            Whether there is a selected fault.
        """
        fault = self._find(self.selected)
        if fault is None:
            return False
        before = fault.setting.probability
        minimum = min(_STEP, before)  # a typed probability may be below one step
        probability = min(max(round(before + direction * _STEP, 2), minimum), 1.0)
        setting = replace(fault.setting, probability=probability)
        self._source.send(SetFault(fault.name, fault.active, setting))
        return True

    def selected_notation(self) -> str:
        """Return the selected fault in the notation of `--fault`; empty if there is none."""
        fault = self._find(self.selected)
        if fault is None:
            return ""
        from fuseboard.faults.notation import format_fault

        return format_fault(fault.name, fault.setting)

    def set(self, command: SetFault) -> None:
        """Send a command about a fault, and select that fault."""
        self.selected = command.name
        self._source.send(command)

    def clear(self) -> None:
        """Switch every fault off, and end the scenario."""
        self._source.send(ClearFaults())

    def _find(self, name: str) -> FaultSnapshot | None:
        faults = self._source.snapshot().faults
        return next((fault for fault in faults if fault.name == name), None)
