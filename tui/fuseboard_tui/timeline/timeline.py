"""The moment that the dashboard shows: now, one of the last minutes, or one of a recording."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from fuseboard.breaker.durations import format_duration
from fuseboard.snapshot.snapshot import Phase, Refusal, Snapshot
from fuseboard_tui.text.clock_time import format_clock_time
from fuseboard_tui.timeline.snapshot_buffer import SnapshotBuffer
from fuseboard_tui.timeline.source import Source

if TYPE_CHECKING:
    from fuseboard.recording.replay import Replay


class Timeline(Protocol):
    """A sequence of snapshots that can be held and moved through."""

    @property
    def held(self) -> bool:
        """Whether the shown moment stands still."""
        ...

    @property
    def badge(self) -> str:
        """The header's note on the shown moment; empty if that is now."""
        ...

    @property
    def newest(self) -> Snapshot:
        """The newest snapshot, whether held or not.

        Raises:
            LookupError: If `next_snapshot` was never called.
        """
        ...

    @property
    def silence(self) -> float:
        """Seconds since the last sign of life from the source, whether held or not."""
        ...

    @property
    def now(self) -> float:
        """The end of the silence, Unix seconds."""
        ...

    @property
    def refusals(self) -> Sequence[Refusal]:
        """The latest refused commands of this dashboard, whether held or not."""
        ...

    def next_snapshot(self) -> Snapshot:
        """Return the snapshot to draw; must be called at each redraw."""
        ...

    def toggle_hold(self) -> None:
        """Hold the shown moment, or go on."""
        ...

    def move(self, seconds: float) -> None:
        """Move forward, or back if `seconds` is negative."""
        ...

    def go_to_start(self) -> None:
        """Move to the oldest snapshot."""
        ...

    def go_to_end(self) -> None:
        """Move to the newest snapshot."""
        ...


class LiveTimeline:
    """The present of a source, and while held, its last half hour.

    Args:
        source: Provides the snapshots.
        clock: A monotonic clock, seconds.
    """

    def __init__(self, source: Source, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._clock = clock
        self._snapshots = SnapshotBuffer()
        self._held: Snapshot | None = None
        self._newest_taken_at = 0.0  # Unix seconds
        self._last_news_at = clock()

    @property
    def held(self) -> bool:
        """Whether one moment is shown while the source goes on."""
        return self._held is not None

    @property
    def badge(self) -> str:
        """How far the shown moment is behind the newest one."""
        if self._held is None:
            return ""
        behind = self._snapshots.newest.uptime - self._held.uptime
        duration = f"{behind:.0f} s" if behind < 59.5 else format_duration(behind)
        return f"PAUSED, {duration} behind"

    @property
    def newest(self) -> Snapshot:
        """The latest snapshot from the source."""
        return self._snapshots.newest

    @property
    def silence(self) -> float:
        """Seconds without a newer snapshot, or without a sign of life from the engine."""
        return max(self._clock() - self._last_news_at, self.newest.silence)

    @property
    def now(self) -> float:
        """The present, Unix seconds."""
        return time.time()

    @property
    def refusals(self) -> Sequence[Refusal]:
        """The refused commands in the newest snapshot."""
        return self.newest.refusals

    def next_snapshot(self) -> Snapshot:
        """Take a snapshot from the source and return the one to draw.

        That of a failed source is returned even while another one is held.
        """
        newest = self._source.snapshot()
        if newest.taken_at != self._newest_taken_at or newest.phase is Phase.STOPPED:
            self._newest_taken_at = newest.taken_at
            self._last_news_at = self._clock()
        self._snapshots.add(newest)
        return newest if self._held is None or newest.phase is Phase.FAILED else self._held

    def toggle_hold(self) -> None:
        """Hold the newest snapshot, or return to the present."""
        self._held = self._snapshots.newest if self._held is None else None

    def move(self, seconds: float) -> None:
        """Hold the snapshot so many seconds after the shown one, or before if negative."""
        self._held = self._snapshots.near(self._held or self._snapshots.newest, seconds)

    def go_to_start(self) -> None:
        """Hold the oldest snapshot."""
        self._held = self._snapshots.all()[0]

    def go_to_end(self) -> None:
        """Hold the newest snapshot."""
        self._held = self._snapshots.newest


class ReplayTimeline:
    """A replay; its newest snapshot is the one at its position."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay

    @property
    def held(self) -> bool:
        """Whether the replay is paused or at its end."""
        return not self._replay.playing

    @property
    def badge(self) -> str:
        """The position and the speed of the replay."""
        replay = self._replay
        position, length = format_clock_time(replay.position), format_clock_time(replay.length)
        badge = f"REPLAY {position} of {length}"
        if replay.speed != 1:
            badge += f" ×{replay.speed:g}"
        return badge + (", ended" if replay.ended else "" if replay.playing else ", paused")

    @property
    def newest(self) -> Snapshot:
        """The snapshot at the replay's position."""
        return self._replay.snapshot()

    @property
    def silence(self) -> float:
        """The silence of the engine at the time of the recording."""
        return self.newest.silence

    @property
    def now(self) -> float:
        """When the snapshot was recorded, Unix seconds."""
        return self.newest.taken_at

    @property
    def refusals(self) -> Sequence[Refusal]:
        """Always empty: recorded commands came from another dashboard."""
        return ()

    def next_snapshot(self) -> Snapshot:
        """Return the snapshot at the replay's position."""
        return self.newest

    def toggle_hold(self) -> None:
        """Pause the replay, or go on."""
        self._replay.pause_or_go_on()

    def move(self, seconds: float) -> None:
        """Move through the recording."""
        self._replay.seek(seconds)

    def go_to_start(self) -> None:
        """Move to the first snapshot of the recording."""
        self._replay.go_to_start()

    def go_to_end(self) -> None:
        """Move to the last snapshot of the recording."""
        self._replay.go_to_end()
