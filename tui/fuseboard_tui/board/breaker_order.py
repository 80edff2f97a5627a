"""Filtering and sorting of the breakers in the list."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard.breaker.state import State
from fuseboard.snapshot.snapshot import BreakerRates, Snapshot

_URGENCY = {State.OPEN: 0, State.HALF_OPEN: 1, State.CLOSED: 2}


class Order(Enum):
    """An order of breakers; the value is its label on the screen."""

    MADE = "as they were made"
    TROUBLE = "trouble first"
    RATE = "busiest first"
    FAILURES = "most failures first"
    CHANGED = "last changed first"
    NAME = "by name"

    def next(self) -> Order:
        """Return the following order; the first after the last."""
        orders = list(Order)
        return orders[(orders.index(self) + 1) % len(orders)]


def arrange(snapshot: Snapshot, order: Order, filter_text: str = "") -> tuple[BreakerSnapshot, ...]:
    """Return the breakers whose names contain `filter_text`, sorted by `order`.

    Case is ignored. The sort is stable: equal breakers keep the order in which
    they were created.
    """
    shown = snapshot.breakers
    if filter_text:
        folded = filter_text.casefold()
        shown = tuple(breaker for breaker in shown if folded in breaker.name.casefold())
    return shown if order is Order.MADE else tuple(sorted(shown, key=_key(order, snapshot)))


def _key(order: Order, snapshot: Snapshot) -> Callable[[BreakerSnapshot], tuple[float | str, ...]]:
    def rates(breaker: BreakerSnapshot) -> BreakerRates:
        return snapshot.rates.get(breaker.name, BreakerRates())

    def failures(breaker: BreakerSnapshot) -> float:
        return -(rates(breaker).failed_share or 0.0)

    match order:
        case Order.TROUBLE:
            return lambda breaker: (_URGENCY[breaker.state], failures(breaker))
        case Order.RATE:
            return lambda breaker: (-rates(breaker).latest,)
        case Order.FAILURES:
            return lambda breaker: (failures(breaker),)
        case Order.CHANGED:
            return lambda breaker: (breaker.seconds_in_state,)
        case _:
            return lambda breaker: (breaker.name.casefold(),)
