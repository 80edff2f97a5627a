"""Which faults are on and how they are set, and whether one hits."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterator

from fuseboard.faults.catalogue import BY_NAME, CATALOGUE, Fault, find_fault
from fuseboard.snapshot.fault_setting import FaultSetting
from fuseboard.snapshot.snapshot import FaultSnapshot

_logger = logging.getLogger(__name__)


class FaultSwitches:
    """The switches of the faults.

    Switched on the proxy's loop; `snapshot()` may be called from any thread.
    A fault stays set as it was while it is off.

    Args:
        seed: Makes the dice of each fault fall the same each time.
    """

    def __init__(self, seed: int | None = None) -> None:
        # Dice of its own for each, so that no fault changes how another one falls.
        self._dice = {
            name: random.Random(None if seed is None else f"{seed} {name}")  # noqa: S311 (no secret)
            for name in BY_NAME
        }
        self._settings = {fault.name: fault.default for fault in CATALOGUE}
        self._active: frozenset[str] = frozenset()
        self._changed = asyncio.Event()

    def switch(self, name: str, *, active: bool, setting: FaultSetting | None = None) -> None:
        """Switch a fault on or off, and set it if it is to be set otherwise than it was.

        Raises:
            ValueError: If there is no such fault, or it cannot be set so.
        """
        fault = find_fault(name)
        if setting is not None:
            fault.check(setting)
            self._settings[name] = setting
        self._active = self._active | {name} if active else self._active - {name}
        words = fault.words(self._settings[name])
        _logger.info("fault %s is %s: %s", name, "on" if active else "off", words)
        self._announce()

    def clear(self) -> None:
        """Switch every fault off."""
        _logger.info("every fault is off")
        self._active = frozenset()
        self._announce()

    def active(self) -> Iterator[tuple[Fault, FaultSetting]]:
        """Go through the faults that are on: those that delay first, each in the table's order."""
        faults = [fault for fault in CATALOGUE if fault.name in self._active]
        for fault in sorted(faults, key=lambda fault: not fault.delays):
            yield fault, self._settings[fault.name]

    def is_on(self, name: str) -> bool:
        """Say whether a fault is on."""
        return name in self._active

    def hits(self, fault: Fault) -> bool:
        """Roll the dice for a fault that is on."""
        probability = self._settings[fault.name].probability
        return probability >= 1 or self._dice[fault.name].random() < probability

    async def hold(self, name: str, seconds: float | None = None) -> None:
        """Wait some seconds, and no longer than a fault is on."""
        try:
            async with asyncio.timeout(seconds):
                while self.is_on(name):
                    await self.change()
        except TimeoutError:
            return

    async def change(self) -> None:
        """Wait until a switch is moved."""
        await self._changed.wait()

    def snapshot(self) -> tuple[FaultSnapshot, ...]:
        """Picture every fault."""
        active = self._active
        settings = [(fault, self._settings[fault.name]) for fault in CATALOGUE]
        return tuple(
            FaultSnapshot(
                key=fault.key,
                name=fault.name,
                label=fault.label,
                words=fault.words(setting),
                setting=setting,
                active=fault.name in active,
            )
            for fault, setting in settings
        )

    def _announce(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
