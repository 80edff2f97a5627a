"""Snapshots of the last half hour, the fewer the older they are.

A snapshot of five breakers takes about 30 KB, the whole buffer 16 MB. With more
than sixteen breakers, snapshots are stored less often to stay below 50 MB.
"""

from __future__ import annotations

from collections import deque
from itertools import chain

from msgspec.structs import replace

from fuseboard.snapshot.snapshot import Snapshot

_FULL_DETAIL_BREAKERS = 16


class _Tier:
    """Snapshots up to a maximum age, at a minimum interval; both in seconds."""

    def __init__(self, max_age: float, interval: float) -> None:
        self.snapshots: deque[Snapshot] = deque()
        self._max_age = max_age
        self._interval = interval

    def add(self, snapshot: Snapshot, now: float, thinning: float) -> list[Snapshot]:
        """Store a snapshot if the interval has passed; return those that became too old.

        Args:
            snapshot: The snapshot.
            now: The uptime of the newest snapshot.
            thinning: Factor of the interval.
        """
        stored = self.snapshots
        if not stored or snapshot.uptime - stored[-1].uptime >= self._interval * thinning:
            stored.append(snapshot)
        expired = []
        while stored and now - stored[0].uptime > self._max_age:
            expired.append(stored.popleft())
        return expired


class SnapshotBuffer:
    """Every snapshot of 30 seconds, one a second up to 5 minutes, one in ten up to 30 minutes.

    Times are told by the source's uptime, because the wall clock may be set.
    """

    def __init__(self) -> None:
        self._newest: Snapshot | None = None
        self._clear()

    def add(self, snapshot: Snapshot) -> None:
        """Store a snapshot; it replaces the newest one if both were taken at the same time."""
        now = snapshot.uptime
        if self._newest is not None and now < self._newest.uptime:
            self._clear()  # the source has begun anew
        self._newest = snapshot
        thinning = max(1.0, len(snapshot.breakers) / _FULL_DETAIL_BREAKERS)
        expired = [replace(snapshot, log=())]  # log lines carry their own times, and may be long
        for tier in self._tiers:
            expired = list(chain.from_iterable(tier.add(old, now, thinning) for old in expired))

    @property
    def newest(self) -> Snapshot:
        """The snapshot that was added last.

        Raises:
            LookupError: If the buffer is empty.
        """
        if self._newest is None:
            raise LookupError("nothing is remembered yet")
        return self._newest

    def all(self) -> list[Snapshot]:
        """Return all snapshots, oldest first.

        Raises:
            LookupError: If the buffer is empty.
        """
        stored = list(chain.from_iterable(tier.snapshots for tier in self._tiers[::-1]))
        newest = self.newest
        return stored if stored[-1].uptime == newest.uptime else [*stored, newest]

    def near(self, snapshot: Snapshot, seconds: float) -> Snapshot:
        """Return the nearest snapshot at least `seconds` after another one, or before if negative.

        Beyond the ends, that is the newest or the oldest one.
        """
        stored = self.all()
        sought = snapshot.uptime + seconds
        if seconds < 0:
            earlier = [each for each in stored if each.uptime <= sought]
            return earlier[-1] if earlier else stored[0]
        later = (each for each in stored if each.uptime >= sought)
        return next(later, self.newest)

    def _clear(self) -> None:
        self._tiers = (_Tier(30, 0.2), _Tier(300, 1), _Tier(1800, 10))
