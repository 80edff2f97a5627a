"""The snapshots of the last half hour, the fewer the longer ago.

Five breakers take about 30 KB a snapshot, 16 MB in all. Of more than sixteen
breakers snapshots are kept less often, so that they do not take more than 50 MB.
"""

from __future__ import annotations

from collections import deque
from itertools import chain

from msgspec.structs import replace

from fuseboard.snapshot.snapshot import Snapshot

_BREAKERS = 16  # as many are remembered in full detail


class _Stretch:
    """Snapshots up to a certain age, at least so far apart, in seconds."""

    def __init__(self, oldest: float, apart: float) -> None:
        self.snapshots: deque[Snapshot] = deque()
        self._oldest = oldest
        self._apart = apart

    def add(self, snapshot: Snapshot, now: float, thinning: float) -> list[Snapshot]:
        """Keep a snapshot if it is far enough from the last one; returns what is too old now."""
        kept = self.snapshots
        if not kept or snapshot.taken_at - kept[-1].taken_at >= self._apart * thinning:
            kept.append(snapshot)
        gone = []
        while kept and now - kept[0].taken_at > self._oldest:
            gone.append(kept.popleft())
        return gone


class HistoryBuffer:
    """Remembers each redraw of half a minute, then one a second, then one in ten."""

    def __init__(self) -> None:
        self._newest: Snapshot | None = None
        self._forget()

    def add(self, snapshot: Snapshot) -> None:
        """Remember a snapshot, in place of the last one if it was taken at the same time."""
        now = snapshot.taken_at
        if self._newest is not None and now < self._newest.taken_at:
            self._forget()  # the clock was set back: there is no order any longer
        self._newest = snapshot
        thinning = max(1.0, len(snapshot.breakers) / _BREAKERS)
        moving = [replace(snapshot, log=())]  # its lines have their times, and could be long
        for stretch in self._stretches:
            moving = list(
                chain.from_iterable(stretch.add(aging, now, thinning) for aging in moving)
            )

    @property
    def newest(self) -> Snapshot:
        """The last one that was added.

        Raises:
            LookupError: If there was none.
        """
        if self._newest is None:
            raise LookupError("nothing is remembered yet")
        return self._newest

    def all(self) -> list[Snapshot]:
        """List what is remembered, oldest first.

        Raises:
            LookupError: If that is nothing.
        """
        kept = list(chain.from_iterable(stretch.snapshots for stretch in self._stretches[::-1]))
        newest = self.newest
        return kept if kept[-1].taken_at == newest.taken_at else [*kept, newest]

    def near(self, snapshot: Snapshot, seconds: float) -> Snapshot:
        """Find the nearest one at least so many seconds after another, or before if below 0.

        Beyond the ends there is the newest and the oldest one.
        """
        remembered = self.all()
        sought = snapshot.taken_at + seconds
        if seconds < 0:
            before = [seen for seen in remembered if seen.taken_at <= sought]
            return before[-1] if before else remembered[0]
        after = (seen for seen in remembered if seen.taken_at >= sought)
        return next(after, self.newest)

    def _forget(self) -> None:
        self._stretches = (_Stretch(30, 0.2), _Stretch(300, 1), _Stretch(1800, 10))
