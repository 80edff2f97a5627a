"""The switches of the faults: which are active, their settings, and sampling their hits."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from fuseboard.faults.catalogue import BY_NAME, CATALOGUE, Fault, find_fault
from fuseboard.snapshot.fault_setting import FaultSetting
from fuseboard.snapshot.snapshot import FaultSnapshot

_logger = logging.getLogger(__name__)


class FaultSwitches:
    """The state and the setting of every fault of the catalogue.

    Not thread-safe: it belongs to the event loop of the proxy. Only `snapshot()`
    may be called from any thread. A fault keeps its setting while it is inactive.

    Args:
        seed: Makes the sequence of hits and misses of each fault reproducible.
    """

    def __init__(self, seed: int | None = None) -> None:
        # One generator for each fault, so that no fault changes the sequence of another.
        self._random = {
            name: random.Random(None if seed is None else f"{seed} {name}")  # noqa: S311 (no secret)
            for name in BY_NAME
        }
        self._settings = {fault.name: fault.default for fault in CATALOGUE}
        self._active: frozenset[str] = frozenset()
        self._watching: set[asyncio.Event] = set()

    def switch(self, name: str, *, active: bool, setting: FaultSetting | None = None) -> None:
        """Switch a fault on or off, and replace its setting if one is passed.

        Raises:
            ValueError: If there is no such fault, or the setting does not apply to it.
        """
        fault = find_fault(name)
        if setting is not None:
            fault.check(setting)
            self._settings[name] = setting
        self._active = self._active | {name} if active else self._active - {name}
        description = fault.describe(self._settings[name])
        _logger.info("fault %s is %s: %s", name, "on" if active else "off", description)
        self._notify_change()

    def clear(self) -> None:
        """Switch every fault off."""
        _logger.info("every fault is off")
        self._active = frozenset()
        self._notify_change()

    def active(self) -> Iterator[tuple[Fault, FaultSetting]]:
        """Yield the active faults in the order of the catalogue, those that delay first."""
        if not self._active:  # once for each chunk of a stream
            return
        faults = [fault for fault in CATALOGUE if fault.name in self._active]
        for fault in sorted(faults, key=lambda fault: not fault.delays):
            yield fault, self._settings[fault.name]

    def is_active(self, name: str) -> bool:
        """Return whether a fault is active."""
        return name in self._active

    def sample_hit(self, fault: Fault) -> bool:
        """Return at random whether an active fault hits, with the probability of its setting."""
        probability = self._settings[fault.name].probability
        return probability >= 1 or self._random[fault.name].random() < probability

    @contextmanager
    def watch(self) -> Iterator[asyncio.Event]:
        """Yield an event that every change sets, from now on.

        No change is lost on whoever clears the event *before* looking at the
        switches, and waits for it afterwards.
        """
        changed = asyncio.Event()
        self._watching.add(changed)
        try:
            yield changed
        finally:
            self._watching.remove(changed)

    async def wait_while_active(self, name: str, seconds: float | None = None) -> None:
        """Wait while a fault is active, for at most `seconds`."""
        with self.watch() as changed, suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.is_active(name):
                    changed.clear()
                    await changed.wait()

    def snapshot(self) -> tuple[FaultSnapshot, ...]:
        """Return a snapshot of every fault."""
        active = self._active
        settings = [(fault, self._settings[fault.name]) for fault in CATALOGUE]
        return tuple(
            FaultSnapshot(
                key=fault.key,
                name=fault.name,
                label=fault.label,
                description=fault.describe(setting),
                setting=setting,
                active=fault.name in active,
            )
            for fault, setting in settings
        )

    def _notify_change(self) -> None:
        for changed in self._watching:
            changed.set()
