"""Reading the file of a recorded run."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterator, Sequence
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

from fuseboard.snapshot.codec import decode_builtins, from_builtins
from fuseboard.snapshot.json_diff import apply_diff
from fuseboard.snapshot.snapshot import Snapshot

_BETWEEN_WHOLE = 64  # snapshots that are kept as changes only, between two that are kept whole
_GZIP = b"\x1f\x8b"


class Recording:
    """The snapshots of a run, in order; made by `read_recording()`.

    The file stays in memory as it is on the disk, unpacked, and a snapshot is
    made when it is asked for. Belongs to one thread.
    """

    def __init__(self, name: str, lines: Sequence[bytes], *, cut_off: bool) -> None:
        self._name = name
        self._lines = lines
        self._cut_off = cut_off
        self._whole: list[Any] = []
        self._present: tuple[int, Any] = 0, None
        self._made: tuple[int, Snapshot] | None = None
        uptimes = []
        for number, value in enumerate(self._values_from(0, None)):
            if number % _BETWEEN_WHOLE == 0:
                self._whole.append(value)
            if number == 0:
                self._present = 0, value
                self._made = 0, self._snapshot(0, value)
            uptimes.append(self._uptime(number, value))
        # Whatever a file says, time goes on.
        self._seconds = [uptime - uptimes[0] for uptime in accumulate(uptimes, max)]

    @property
    def seconds(self) -> Sequence[float]:
        """When each snapshot was taken, seconds after the first one."""
        return self._seconds

    @property
    def cut_off(self) -> bool:
        """Whether the file ends in the middle of something, as after a crash."""
        return self._cut_off

    def snapshot(self, number: int) -> Snapshot:
        """Give a snapshot, counted from 0.

        Raises:
            ValueError: If its line is damaged; the message names it.
        """
        if self._made is not None and self._made[0] == number:
            return self._made[1]
        start, value = self._present
        nearest = number // _BETWEEN_WHOLE * _BETWEEN_WHOLE
        if not nearest <= start <= number:
            start, value = nearest, self._whole[number // _BETWEEN_WHOLE]
        for changed in islice(self._values_from(start + 1, value), number - start):
            value = changed
        self._present = number, value
        self._made = number, self._snapshot(number, value)
        return self._made[1]

    def _values_from(self, number: int, value: Any) -> Iterator[Any]:
        for line in islice(self._lines, number, None):
            try:
                change = decode_builtins(line)
                value = change if number == 0 else apply_diff(value, change)
            except ValueError as error:
                raise ValueError(f"{self._place(number)}: {error}") from None
            except RecursionError:
                raise ValueError(f"{self._place(number)}: it is nested too deeply") from None
            yield value
            number += 1

    def _snapshot(self, number: int, value: Any) -> Snapshot:
        try:
            return from_builtins(value)
        except ValueError as error:
            raise ValueError(f"{self._place(number)}: {error}") from None

    def _uptime(self, number: int, value: Any) -> float:
        uptime = value.get("uptime") if isinstance(value, dict) else None
        if isinstance(uptime, float | int) and 0 <= uptime < math.inf:
            return float(uptime)
        raise ValueError(f"{self._place(number)}: it does not say when it was taken")

    def _place(self, number: int) -> str:
        return f"{self._name}, line {number + 1}"


def read_recording(path: str | Path) -> Recording:
    """Read a file that a `fuseboard.recording.recorder.Recorder` wrote.

    One that was cut off is read as far as it goes.

    Raises:
        ValueError: If it cannot be read or is no recording; the message names the line.
    """
    try:
        lines, cut_off = _lines(Path(path))
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from None
    if lines and not lines[-1].endswith(b"\n"):
        cut_off = True
        lines.pop()
    if not lines:
        raise ValueError(f"{path} is no recording: there is no whole line in it")
    return Recording(str(path), lines, cut_off=cut_off)


def _lines(path: Path) -> tuple[list[bytes], bool]:
    """Read whole lines as far as there are any, and say whether more should have come."""
    lines: list[bytes] = []
    with path.open("rb") as file:
        zipped = file.peek(2).startswith(_GZIP)
        try:
            lines.extend(gzip.GzipFile(fileobj=file) if zipped else file)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            return lines, True
    return lines, False
