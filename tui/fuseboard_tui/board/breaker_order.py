"""Which breakers are shown, and in what order."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard.breaker.state import State
from fuseboard.snapshot.snapshot import BreakerRates, Snapshot

_URGENCY = {State.OPEN: 0, State.HALF_OPEN: 1, State.CLOSED: 2}


class Order(Enum):
    """An order of breakers; the value is what it is called."""

    MADE = "as they were made"
    TROUBLE = "trouble first"
    RATE = "busiest first"
    FAILURES = "most failures first"
    CHANGED = "last changed first"
    NAME = "by name"

    def next(self) -> Order:
        """Give the one after it; the first after the last."""
        orders = list(Order)
        return orders[(orders.index(self) + 1) % len(orders)]


def arranged(snapshot: Snapshot, order: Order, wanted: str = "") -> tuple[BreakerSnapshot, ...]:
    """Give the breakers whose names contain `wanted`, whatever its case, in an order.

    What is alike stays in the order in which it was made.
    """
    shown = snapshot.breakers
    if wanted:
        words = wanted.casefold()
        shown = tuple(breaker for breaker in shown if words in breaker.name.casefold())
    return shown if order is Order.MADE else tuple(sorted(shown, key=_key(order, snapshot)))


def _key(order: Order, snapshot: Snapshot) -> Callable[[BreakerSnapshot], tuple[float | str, ...]]:
    def activity(breaker: BreakerSnapshot) -> BreakerRates:
        return snapshot.rates.get(breaker.name, BreakerRates())

    def failures(breaker: BreakerSnapshot) -> float:
        return -(activity(breaker).failed_share or 0.0)

    match order:
        case Order.TROUBLE:
            return lambda breaker: (_URGENCY[breaker.state], failures(breaker))
        case Order.RATE:
            return lambda breaker: (-activity(breaker).latest,)
        case Order.FAILURES:
            return lambda breaker: (failures(breaker),)
        case Order.CHANGED:
            return lambda breaker: (-breaker.changed_at,)
        case _:
            return lambda breaker: (breaker.name.casefold(),)
