"""The faults that hit one exchange."""

from __future__ import annotations

from collections.abc import Iterator

from fuseboard.faults.catalogue import Fault
from fuseboard.faults.switches import FaultSwitches
from fuseboard.snapshot.fault_setting import FaultSetting


class FaultHits:
    """The active faults that hit one exchange; iterating yields each with its setting.

    Whether a fault hits is sampled once for an exchange, when the fault is first found active.

    Args:
        switches: Which faults are active.
        path: The path of the request.
    """

    def __init__(self, switches: FaultSwitches, path: str) -> None:
        self._switches = switches
        self._path = path
        self._sampled: dict[str, bool] = {}

    def __iter__(self) -> Iterator[tuple[Fault, FaultSetting]]:
        for fault, setting in self._switches.active():
            if fault.concerns(self._path, setting) and self._is_hit_by(fault):
                yield fault, setting

    async def wait_while_active(self, fault: str, seconds: float | None) -> None:
        """Wait while a fault is active, for at most `seconds`."""
        await self._switches.wait_while_active(fault, seconds)

    def _is_hit_by(self, fault: Fault) -> bool:
        if fault.name not in self._sampled:
            self._sampled[fault.name] = self._switches.sample_hit(fault)
        return self._sampled[fault.name]
