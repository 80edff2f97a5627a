"""Which faults are on, and whether one hits."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator

from fuseboard.faults.catalogue import BY_NAME, CATALOGUE, Fault
from fuseboard.snapshot import FaultSnapshot


class FaultBoard:
    """The switches of the faults.

    Switched on the proxy's loop; `snapshot()` may be called from any thread.
    Faults stay set to their probability while they are off.
    """

    def __init__(self, dice: random.Random | None = None) -> None:
        self._dice = dice or random.Random()  # noqa: S311 (no secret)
        self._probabilities = dict.fromkeys(BY_NAME, 1.0)
        self._active: frozenset[str] = frozenset()
        self._changed = asyncio.Event()

    def switch(self, name: str, *, active: bool, probability: float) -> None:
        """Switch a fault on or off and set its probability, 0-1.

        Raises:
            ValueError: If there is no such fault, or no such probability.
        """
        if name not in BY_NAME:
            raise ValueError(f"there is no fault {name!r}; there are {', '.join(BY_NAME)}")
        if not 0 < probability <= 1:
            raise ValueError(f"a probability is above 0 and at most 1, not {probability:g}")
        self._probabilities[name] = probability
        self._active = self._active | {name} if active else self._active - {name}
        self._announce()

    def clear(self) -> None:
        """Switch every fault off."""
        self._active = frozenset()
        self._announce()

    def active(self) -> Iterator[Fault]:
        """Go through the faults that are on, in the catalogue's order."""
        return (fault for fault in CATALOGUE if fault.name in self._active)

    def is_on(self, name: str) -> bool:
        """Say whether a fault is on."""
        return name in self._active

    def hits(self, fault: Fault) -> bool:
        """Roll the dice for a fault that is on."""
        probability = self._probabilities[fault.name]
        return probability >= 1 or self._dice.random() < probability

    def is_certain(self, fault: Fault) -> bool:
        """Say whether a fault hits always while it is on."""
        return self._probabilities[fault.name] >= 1

    async def change(self) -> None:
        """Wait until a switch is moved."""
        await self._changed.wait()

    def snapshot(self) -> tuple[FaultSnapshot, ...]:
        """Picture every fault."""
        active = self._active
        return tuple(
            FaultSnapshot(
                key=fault.key,
                name=fault.name,
                label=fault.label,
                words=fault.words,
                probability=self._probabilities[fault.name],
                active=fault.name in active,
            )
            for fault in CATALOGUE
        )

    def _announce(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
