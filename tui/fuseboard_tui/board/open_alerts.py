"""Detection of breakers that have just opened."""

from __future__ import annotations

from collections.abc import Iterator

from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard.breaker.state import State
from fuseboard.snapshot.snapshot import Snapshot


class OpenAlerts:
    """Compare successive snapshots to find each opening once."""

    def __init__(self) -> None:
        self._opened_at: dict[str, float] = {}  # the last opening of each breaker, Unix seconds

    def newly_opened(self, snapshot: Snapshot) -> Iterator[BreakerSnapshot]:
        """Yield the breakers that have opened since the snapshot before.

        Breakers that were open in the first snapshot, and those that reopened
        because a probe failed, are left out.
        """
        for breaker in snapshot.breakers:
            if breaker.state is not State.OPEN:
                self._opened_at.setdefault(breaker.name, 0.0)
                continue
            before = self._opened_at.get(breaker.name)
            if before is not None and breaker.changed_at > before and not _probe_failed(breaker):
                yield breaker
            self._opened_at[breaker.name] = max(breaker.changed_at, before or 0.0)


def _probe_failed(breaker: BreakerSnapshot) -> bool:
    return bool(breaker.history) and breaker.history[-1].from_state is State.HALF_OPEN
