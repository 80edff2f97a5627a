"""Which breakers are listed, in which order, and which of them is chosen."""

from __future__ import annotations

from collections.abc import Sequence

from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard.snapshot.snapshot import Snapshot
from fuseboard_tui.board.breaker_order import Order, arranged


class BreakerChoice:
    """What the user has chosen about the list of breakers."""

    def __init__(self) -> None:
        self.name = ""
        """The name of the chosen breaker."""
        self.order = Order.MADE
        self.wanted = ""
        """What the names of the listed ones contain."""

    def arranged(self, snapshot: Snapshot | None) -> tuple[BreakerSnapshot, ...]:
        """Give the breakers that are listed."""
        return arranged(snapshot, self.order, self.wanted) if snapshot else ()

    def ensure_chosen(self, listed: Sequence[BreakerSnapshot]) -> BreakerSnapshot | None:
        """Give the chosen breaker; where it is not listed, choose the first that is."""
        chosen = next((breaker for breaker in listed if breaker.name == self.name), None)
        if chosen is None and listed:
            chosen = listed[0]
            self.name = chosen.name
        return chosen

    def move(self, listed: Sequence[BreakerSnapshot], step: int) -> None:
        """Choose the next breaker, or the one before."""
        chosen = self.ensure_chosen(listed)
        if chosen is not None:
            place = listed.index(chosen) + step
            self.name = listed[max(0, min(place, len(listed) - 1))].name

    def title(self, listed: int, every: int) -> str:
        """Say how many of how many breakers are listed, and in which order."""
        title = f"Breakers {listed} of {every}" if self.wanted else "Breakers"
        return title if self.order is Order.MADE else f"{title}, {self.order.value}"
