"""How many calls each breaker saw in each of the last seconds."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

from fuseboard.snapshot import BreakerSnapshot

REMEMBERED_SECONDS = 300


class CallRates:
    """Turns counters that only grow into calls a second; sampled once a second."""

    def __init__(self) -> None:
        self._totals: dict[str, int] = {}
        self._rates: dict[str, deque[float]] = {}
        self._published: Mapping[str, tuple[float, ...]] = {}

    def sample(self, breakers: Iterable[BreakerSnapshot], seconds: float) -> None:
        """Take the counters, `seconds` after the last time."""
        for breaker in breakers:
            total = breaker.calls.total
            before = self._totals.get(breaker.name, 0)
            self._totals[breaker.name] = total
            rates = self._rates.setdefault(breaker.name, deque(maxlen=REMEMBERED_SECONDS))
            rates.append((total - before) / seconds)
        self._published = {name: tuple(rates) for name, rates in self._rates.items()}

    def by_breaker(self) -> Mapping[str, tuple[float, ...]]:
        """Give the rates by breaker, oldest first; may be called from any thread."""
        return self._published
