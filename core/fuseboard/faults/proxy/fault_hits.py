"""Which faults one exchange meets."""

from __future__ import annotations

from collections.abc import Iterator

from fuseboard.faults.catalogue import Fault
from fuseboard.faults.switches import FaultSwitches
from fuseboard.snapshot.fault_setting import FaultSetting


class FaultHits:
    """Finds the faults that hit one exchange; each is rolled once, when it is first met.

    Args:
        board: Which faults are on.
        path: Where the request goes.
    """

    def __init__(self, board: FaultSwitches, path: str) -> None:
        self._board = board
        self._path = path
        self._rolled: dict[str, bool] = {}

    def hits(self) -> Iterator[tuple[Fault, FaultSetting]]:
        """Go through those that are on and hit it."""
        for fault, setting in self._board.active():
            if setting.concerns(self._path) and self._is_hit_by(fault):
                yield fault, setting

    async def hold(self, fault: str, seconds: float | None) -> None:
        """Wait some seconds, and no longer than a fault is on."""
        await self._board.hold(fault, seconds)

    def _is_hit_by(self, fault: Fault) -> bool:
        if fault.name not in self._rolled:
            self._rolled[fault.name] = self._board.hits(fault)
        return self._rolled[fault.name]
