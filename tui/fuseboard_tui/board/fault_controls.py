"""The faults, as keys and clicks command them."""

from __future__ import annotations

from msgspec.structs import replace

from fuseboard.engine.commands import ClearFaults, SetFault
from fuseboard.faults.notation import format_fault
from fuseboard.snapshot.snapshot import FaultSnapshot
from fuseboard_tui.board.source import Source

_STEP = 0.1  # of a fault's probability


class FaultControls:
    """Turns keys into commands about faults, and knows which fault was switched last."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.selected = ""
        """The name of the fault whose probability is changed."""

    def toggle(self, name: str) -> None:
        """Switch a fault on or off."""
        fault = self._find(name)
        if fault is not None:
            self.set(SetFault(name, not fault.active))

    def change_share(self, direction: int) -> bool:
        """Raise the probability of the selected fault, or lower it; say if there is one."""
        fault = self._find(self.selected)
        if fault is None:
            return False
        before = fault.setting.probability
        least = min(_STEP, before)  # one that was typed may be less than a step
        probability = min(max(round(before + direction * _STEP, 2), least), 1.0)
        setting = replace(fault.setting, probability=probability)
        self._source.send(SetFault(fault.name, fault.active, setting))
        return True

    def spell(self) -> str:
        """Write the selected fault as it is set; empty if there is none."""
        fault = self._find(self.selected)
        return format_fault(fault.name, fault.setting) if fault else ""

    def set(self, command: SetFault) -> None:
        """Switch a fault as it was typed."""
        self.selected = command.name
        self._source.send(command)

    def clear(self) -> None:
        """Switch every fault off, and end the scenario."""
        self._source.send(ClearFaults())

    def _find(self, name: str) -> FaultSnapshot | None:
        faults = self._source.snapshot().faults
        return next((fault for fault in faults if fault.name == name), None)
