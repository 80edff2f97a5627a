"""Which moment the dashboard shows: now, one of the last minutes, or one of a recording."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from fuseboard.breaker.durations import format_duration
from fuseboard.recording.replay import Replay
from fuseboard.snapshot.snapshot import Phase, Refusal, Snapshot
from fuseboard_tui.board.history_buffer import HistoryBuffer
from fuseboard_tui.board.source import Source


class Timeline(Protocol):
    """What can be held, and moved through."""

    @property
    def held(self) -> bool:
        """Whether time stands still on the screen."""
        ...

    @property
    def badge(self) -> str:
        """What the header says about the moment that is shown; empty if it is now."""
        ...

    @property
    def newest(self) -> Snapshot:
        """The newest snapshot, held or not; there is none before the first look."""
        ...

    @property
    def silence(self) -> float:
        """Seconds for which there has been no news, where there should be; held or not."""
        ...

    @property
    def now(self) -> float:
        """The moment up to which news could have come, Unix seconds."""
        ...

    @property
    def refusals(self) -> Sequence[Refusal]:
        """The latest commands given here that were not carried out; held or not."""
        ...

    def look(self) -> Snapshot:
        """Give the snapshot to draw; must be called as often as the screen is drawn."""
        ...

    def hold_or_go_on(self) -> None:
        """Let time stand still, or go on."""
        ...

    def move(self, seconds: float) -> None:
        """Move forward, or back if it is less than 0."""
        ...

    def go_to_start(self) -> None:
        """Move as far back as there is something to show."""
        ...

    def go_to_end(self) -> None:
        """Move to the newest that there is."""
        ...


class Live:
    """Shows what a source shows now, or, once it is held, what it showed in the last minutes.

    Args:
        source: What is shown.
        clock: Seconds that only ever go forward.
    """

    def __init__(self, source: Source, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._clock = clock
        self._past = HistoryBuffer()
        self._held: Snapshot | None = None
        self._newest_of = 0.0  # Unix seconds
        self._news_at = clock()

    @property
    def held(self) -> bool:
        """Whether it shows one moment while the source goes on."""
        return self._held is not None

    @property
    def badge(self) -> str:
        """How far the moment that is shown lies behind."""
        if self._held is None:
            return ""
        behind = self._past.newest.taken_at - self._held.taken_at
        words = f"{behind:.0f} s" if behind < 59.5 else format_duration(behind)
        return f"PAUSED, {words} behind"

    @property
    def newest(self) -> Snapshot:
        """The latest one that was looked at."""
        return self._past.newest

    @property
    def silence(self) -> float:
        """Seconds without a newer snapshot, or without a sign of life from the engine."""
        return max(self._clock() - self._news_at, self.newest.silence)

    @property
    def now(self) -> float:
        """The present."""
        return time.time()

    @property
    def refusals(self) -> Sequence[Refusal]:
        """The latest commands that were not carried out."""
        return self.newest.refusals

    def look(self) -> Snapshot:
        """Take a snapshot and remember it; a failure is shown even while held."""
        newest = self._source.snapshot()
        if newest.taken_at != self._newest_of or newest.phase is Phase.STOPPED:
            self._newest_of = newest.taken_at
            self._news_at = self._clock()
        self._past.add(newest)
        return newest if self._held is None or newest.phase is Phase.FAILED else self._held

    def hold_or_go_on(self) -> None:
        """Hold what is shown, or show what is now."""
        self._held = self._past.newest if self._held is None else None

    def move(self, seconds: float) -> None:
        """Hold, and move through the last minutes."""
        self._held = self._past.near(self._held or self._past.newest, seconds)

    def go_to_start(self) -> None:
        """Hold the oldest snapshot that is remembered."""
        self._held = self._past.all()[0]

    def go_to_end(self) -> None:
        """Hold the newest one."""
        self._held = self._past.newest


class Recorded:
    """Shows a replay."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay

    @property
    def held(self) -> bool:
        """Whether it is paused or at its end."""
        return not self._replay.playing

    @property
    def badge(self) -> str:
        """How far the replay has come, and how fast it goes."""
        replay = self._replay
        words = f"REPLAY {_clock(replay.position)} of {_clock(replay.length)}"
        if replay.speed != 1:
            words += f" ×{replay.speed:g}"
        return words + (", ended" if replay.ended else "" if replay.playing else ", paused")

    @property
    def newest(self) -> Snapshot:
        """The one of this moment: a replay has none besides."""
        return self._replay.snapshot()

    @property
    def silence(self) -> float:
        """The silence of the engine when it was recorded."""
        return self.newest.silence

    @property
    def now(self) -> float:
        """When the snapshot that is shown was recorded."""
        return self.newest.taken_at

    @property
    def refusals(self) -> Sequence[Refusal]:
        """None: the commands in the recording were not given here."""
        return ()

    def look(self) -> Snapshot:
        """Give the snapshot of this moment of the replay."""
        return self.newest

    def hold_or_go_on(self) -> None:
        """Pause the replay, or let it go on."""
        self._replay.pause_or_go_on()

    def move(self, seconds: float) -> None:
        """Move through the recording."""
        self._replay.seek(seconds)

    def go_to_start(self) -> None:
        """Move to the first snapshot of the recording."""
        self._replay.go_to_start()

    def go_to_end(self) -> None:
        """Move to the last one."""
        self._replay.go_to_end()


def _clock(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}"
