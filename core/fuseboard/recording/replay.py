"""The replay of a recorded run, at any speed and from any position."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from fuseboard.invalid_input import InvalidInputError
from fuseboard.snapshot.snapshot import Phase, Snapshot

if TYPE_CHECKING:
    from fuseboard.recording.reader import Recording

SLOWEST, FASTEST = 1 / 8, 64.0


class Replay:
    """A position in a recording that moves with time. Belongs to one thread.

    Args:
        recording: The recording to play.
        speed: Seconds of the recording per second.
        clock: Returns seconds; only differences matter.
    """

    def __init__(
        self,
        recording: Recording,
        speed: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._recording = recording
        self._clock = clock
        self._speed = speed
        self._playing = True
        self._position = 0.0  # at the moment `_since`
        self._since = clock()

    @property
    def speed(self) -> float:
        """Seconds of the recording per second."""
        return self._speed

    @property
    def length(self) -> float:
        """Length of the recording in seconds."""
        return self._recording.seconds[-1]

    @property
    def cut_off(self) -> bool:
        """Whether the recording ends before the run did."""
        return self._recording.cut_off

    @property
    def position(self) -> float:
        """Present position, in seconds from the start of the recording."""
        if not self._playing:
            return self._position
        return min(self._position + (self._clock() - self._since) * self._speed, self.length)

    @property
    def ended(self) -> bool:
        """Whether the position is at the end."""
        return self.position >= self.length

    @property
    def playing(self) -> bool:
        """Whether it is neither paused nor at its end."""
        return self._playing and not self.ended

    def snapshot(self) -> Snapshot:
        """Return the snapshot at the present position.

        A recorded failure becomes a notice, because it is not one of the replay.
        If the snapshot cannot be read, one in phase FAILED says why.
        """
        number = max(bisect_right(self._recording.seconds, self.position) - 1, 0)
        try:
            seen = self._recording.snapshot(number)
        except InvalidInputError as error:
            return Snapshot(time.time(), Phase.FAILED, 0.0, problem=str(error))
        if seen.phase is Phase.FAILED:
            return replace(seen, phase=Phase.STOPPED, notices=(*seen.notices, seen.problem))
        return seen

    def pause_or_go_on(self) -> None:
        """Pause or resume; at the end, start again from the beginning."""
        if self.ended:
            self._move(0.0)
            self._playing = True
        else:
            self._move(self.position)
            self._playing = not self._playing

    def seek(self, seconds: float) -> None:
        """Move forward by `seconds`, or back if they are negative."""
        self._move(self.position + seconds)

    def go_to_start(self) -> None:
        """Move to the first snapshot."""
        self._move(0.0)

    def go_to_end(self) -> None:
        """Move to the last snapshot."""
        self._move(self.length)

    def faster(self) -> None:
        """Double the speed, up to `FASTEST`."""
        self._set_speed(max(self._speed, min(self._speed * 2, FASTEST)))

    def slower(self) -> None:
        """Halve the speed, down to `SLOWEST`."""
        self._set_speed(min(self._speed, max(self._speed / 2, SLOWEST)))

    def _set_speed(self, speed: float) -> None:
        self._move(self.position)
        self._speed = speed

    def _move(self, position: float) -> None:
        self._position = min(max(position, 0.0), self.length)
        self._since = self._clock()
