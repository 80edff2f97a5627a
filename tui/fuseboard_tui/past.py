"""The snapshots of the last minutes, the fewer the longer ago."""

from __future__ import annotations

from collections import deque
from itertools import chain

from fuseboard.snapshot import Snapshot


class _Stretch:
    """At most so many snapshots, at least so many seconds apart."""

    def __init__(self, most: int, apart: float) -> None:
        self.snapshots: deque[Snapshot] = deque()
        self._most = most
        self._apart = apart

    def add(self, snapshot: Snapshot) -> Snapshot | None:
        """Keep a snapshot, if it is not too close to the one before; returns what had to go."""
        kept = self.snapshots
        if not kept or snapshot.taken_at - kept[-1].taken_at >= self._apart:
            kept.append(snapshot)
        return kept.popleft() if len(kept) > self._most else None


class Past:
    """Remembers all of the last half a minute, a second of five minutes, ten of half an hour."""

    def __init__(self) -> None:
        self._forget()

    def add(self, snapshot: Snapshot) -> None:
        """Remember a snapshot that is newer than all before; one as new as those is passed over."""
        newest = self._stretches[0].snapshots
        if newest and snapshot.taken_at < newest[-1].taken_at:
            self._forget()  # the clock was set back: there is no order any longer
        elif newest and snapshot.taken_at == newest[-1].taken_at:
            return
        moving: Snapshot | None = snapshot
        for stretch in self._stretches:
            if moving is None:
                break
            moving = stretch.add(moving)

    @property
    def newest(self) -> Snapshot:
        """The last one that was added.

        Raises:
            IndexError: If there was none.
        """
        return self._stretches[0].snapshots[-1]

    @property
    def oldest(self) -> Snapshot:
        """The oldest one that is still there.

        Raises:
            IndexError: If there is none.
        """
        return self.all()[0]

    def all(self) -> list[Snapshot]:
        """List what is remembered, oldest first."""
        return list(chain.from_iterable(stretch.snapshots for stretch in self._stretches[::-1]))

    def near(self, snapshot: Snapshot, seconds: float) -> Snapshot:
        """Find the nearest one at least so many seconds after another, or before if below 0.

        Beyond the ends there is the newest and the oldest one.
        """
        sought = snapshot.taken_at + seconds
        if seconds < 0:
            before = [seen for seen in self.all() if seen.taken_at <= sought]
            return before[-1] if before else self.oldest
        after = (seen for seen in self.all() if seen.taken_at >= sought)
        return next(after, self.newest)

    def _forget(self) -> None:
        self._stretches = (_Stretch(120, 0.0), _Stretch(270, 1.0), _Stretch(150, 10.0))
