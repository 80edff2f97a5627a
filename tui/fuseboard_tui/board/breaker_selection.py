"""The user's choices about the list of breakers: filter, order, and the selected breaker."""

from __future__ import annotations

from collections.abc import Sequence

from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard.snapshot.snapshot import Snapshot
from fuseboard_tui.board.breaker_order import Order, arrange


class BreakerSelection:
    """Filter, order and selected breaker of the list."""

    def __init__(self) -> None:
        self.name = ""
        """The name of the selected breaker; empty before the first one is listed."""
        self.order = Order.MADE
        self.filter_text = ""
        """Only breakers whose names contain this text are listed; case is ignored."""

    def listed(self, snapshot: Snapshot | None) -> tuple[BreakerSnapshot, ...]:
        """Return the breakers of a snapshot that pass the filter, in the chosen order."""
        return arrange(snapshot, self.order, self.filter_text) if snapshot else ()

    def ensure_selected(self, listed: Sequence[BreakerSnapshot]) -> BreakerSnapshot | None:
        """Return the selected breaker; select the first listed one if it is not listed."""
        selected = next((breaker for breaker in listed if breaker.name == self.name), None)
        if selected is None and listed:
            selected = listed[0]
            self.name = selected.name
        return selected

    def move(self, listed: Sequence[BreakerSnapshot], step: int) -> None:
        """Move the selection by `step` rows, stopping at the ends of the list."""
        selected = self.ensure_selected(listed)
        if selected is not None:
            index = listed.index(selected) + step
            self.name = listed[max(0, min(index, len(listed) - 1))].name

    def title(self, listed: int, total: int) -> str:
        """Return the title of the list: how many breakers it shows, and in which order."""
        title = f"Breakers {listed} of {total}" if self.filter_text else "Breakers"
        return title if self.order is Order.MADE else f"{title}, {self.order.value}"
