"""Which breakers have just opened."""

from __future__ import annotations

from collections.abc import Iterator

from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard.breaker.state import State
from fuseboard.snapshot.snapshot import Snapshot


class OpenAlerts:
    """Knows which openings are news, from one snapshot to the next."""

    def __init__(self) -> None:
        self._seen: dict[str, float] = {}  # when each breaker opened last, Unix seconds

    def news(self, snapshot: Snapshot) -> Iterator[BreakerSnapshot]:
        """Give the breakers that were closed and have opened; each opening once.

        One that was open at the start, or whose probe failed, is no news.
        """
        for breaker in snapshot.breakers:
            if breaker.state is not State.OPEN:
                self._seen.setdefault(breaker.name, 0.0)
                continue
            before = self._seen.get(breaker.name)
            if before is not None and breaker.changed_at > before and not _probe_failed(breaker):
                yield breaker
            self._seen[breaker.name] = max(breaker.changed_at, before or 0.0)


def _probe_failed(breaker: BreakerSnapshot) -> bool:
    return bool(breaker.history) and breaker.history[-1].from_state is State.HALF_OPEN
