"""The reader of the file of a recorded run."""

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

_WHOLE_EVERY = 64  # snapshots; those between are made from the last whole one before them
_GZIP = b"\x1f\x8b"


class Recording:
    """The snapshots of a run, in order; made by `read_recording()`.

    The decompressed file is held in memory, and a snapshot is decoded when it
    is requested. Belongs to one thread.
    """

    def __init__(self, name: str, lines: Sequence[bytes], *, cut_off: bool) -> None:
        self._name = name
        self._lines = lines
        self._cut_off = cut_off
        self._whole_values: list[Any] = []
        self._latest_value: tuple[int, Any] = 0, None
        self._latest: tuple[int, Snapshot] | None = None
        uptimes = []
        for number, value in enumerate(self._values_from(0, None)):
            if number % _WHOLE_EVERY == 0:
                self._whole_values.append(value)
            if number == 0:
                self._latest_value = 0, value
                self._latest = 0, self._snapshot(0, value)
            uptimes.append(self._uptime(number, value))
        # The times must ascend, whatever the file says.
        self._seconds = [uptime - uptimes[0] for uptime in accumulate(uptimes, max)]

    @property
    def seconds(self) -> Sequence[float]:
        """When each snapshot was taken, in seconds after the first one; ascending."""
        return self._seconds

    @property
    def cut_off(self) -> bool:
        """Whether the end of the file is missing, as after a crash."""
        return self._cut_off

    def snapshot(self, number: int) -> Snapshot:
        """Return the snapshot of this number, counted from 0.

        Raises:
            ValueError: If its line is damaged; the message names the line.
        """
        if self._latest is not None and self._latest[0] == number:
            return self._latest[1]
        start, value = self._latest_value
        nearest = number // _WHOLE_EVERY * _WHOLE_EVERY
        if not nearest <= start <= number:
            start, value = nearest, self._whole_values[number // _WHOLE_EVERY]
        for changed in islice(self._values_from(start + 1, value), number - start):
            value = changed
        self._latest_value = number, value
        self._latest = number, self._snapshot(number, value)
        return self._latest[1]

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

    A file that was cut off is read up to its last whole line.

    Raises:
        ValueError: If it cannot be read, is no recording, or was written in another
            version of the format; the message names the line.
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
    """Return the lines, and whether the compressed data ended too early."""
    lines: list[bytes] = []
    with path.open("rb") as file:
        zipped = file.peek(2).startswith(_GZIP)
        try:
            lines.extend(gzip.GzipFile(fileobj=file) if zipped else file)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            return lines, True
    return lines, False
