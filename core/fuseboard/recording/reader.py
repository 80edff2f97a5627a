"""The reader of the file of a recorded run.

A file may come from anywhere, and a small one may expand to gigabytes: what is larger than
any recording of ours is refused before it is held in memory.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

from fuseboard.invalid_input import InvalidInputError
from fuseboard.snapshot.codec import decode_builtins, encode_builtins, from_builtins
from fuseboard.snapshot.json_diff import apply_diff
from fuseboard.snapshot.snapshot import Snapshot

_MAX_SNAPSHOTS = 1_000_000  # nearly six days
_MAX_LINE = 16 * 1024 * 1024  # bytes; a snapshot of a thousand breakers takes ten million
_MAX_FILE = 512 * 1024 * 1024  # bytes, decompressed
_MAX_SECONDS = 1e10
_MAX_SIZE = 2 * _MAX_LINE  # bytes of a snapshot that grows from line to line
_MAX_WHOLES = 128 * 1024 * 1024  # bytes of the snapshots that are held whole

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
        self._whole_sizes: list[int] = []
        self._whole_every = _WHOLE_EVERY
        self._latest_value: tuple[int, Any] = 0, None
        self._latest: tuple[int, Snapshot] | None = None
        uptimes = []
        unmeasured = 0
        for number, value in enumerate(self._values_from(0, None)):
            unmeasured += len(lines[number])
            is_whole = number % self._whole_every == 0
            if is_whole or unmeasured > _MAX_LINE:
                size = self._size(number, value)
                unmeasured = 0
                if is_whole:
                    self._hold_whole(value, size)
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
        nearest = number // self._whole_every * self._whole_every
        if not nearest <= start <= number:
            start, value = nearest, self._whole_values[number // self._whole_every]
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
            except InvalidInputError as error:
                raise InvalidInputError(f"{self._place(number)}: {error}") from None
            except RecursionError:
                raise InvalidInputError(f"{self._place(number)}: it is nested too deeply") from None
            yield value
            number += 1

    def _hold_whole(self, value: Any, size: int) -> None:
        """Store the value of every `_whole_every`-th snapshot; fewer of them if they are large."""
        self._whole_values.append(value)
        self._whole_sizes.append(size)
        while sum(self._whole_sizes) > _MAX_WHOLES and len(self._whole_sizes) > 1:
            del self._whole_values[1::2], self._whole_sizes[1::2]
            self._whole_every *= 2

    def _size(self, number: int, value: Any) -> int:
        try:
            size = len(encode_builtins(value))
        except (OverflowError, RecursionError):
            raise InvalidInputError(
                f"{self._place(number)}: a number in it is too large, or it is nested too deeply"
            ) from None
        if size > _MAX_SIZE:
            raise InvalidInputError(
                f"{self._place(number)}: with it, the snapshot exceeds {_MAX_SIZE:,} bytes"
            )
        return size

    def _snapshot(self, number: int, value: Any) -> Snapshot:
        try:
            return from_builtins(value)
        except InvalidInputError as error:
            raise InvalidInputError(f"{self._place(number)}: {error}") from None

    def _uptime(self, number: int, value: Any) -> float:
        uptime = value.get("uptime") if isinstance(value, dict) else None
        if isinstance(uptime, float | int) and 0 <= uptime <= _MAX_SECONDS:
            return float(uptime)
        raise InvalidInputError(f"{self._place(number)}: it does not say when it was taken")

    def _place(self, number: int) -> str:
        return f"{self._name}, line {number + 1}"


def read_recording(path: str | Path) -> Recording:
    """Read a file that a `fuseboard.recording.recorder.Recorder` wrote.

    A file that was cut off is read up to its last whole line.

    Raises:
        ValueError: If it cannot be read, is no recording, is larger than one can be,
            or was written in another version of the format; the message names the line.
    """
    try:
        lines, cut_off = _lines(Path(path))
    except OSError as error:
        raise InvalidInputError(f"cannot read {path}: {error.strerror or error}") from None
    if lines and not lines[-1].endswith(b"\n"):
        cut_off = True
        lines.pop()
    if not lines:
        raise InvalidInputError(f"{path} is no recording: there is no whole line in it")
    return Recording(str(path), lines, cut_off=cut_off)


def _lines(path: Path) -> tuple[list[bytes], bool]:
    """Return the lines, and whether the compressed data ended too early."""
    lines: list[bytes] = []
    total = 0
    with path.open("rb") as file:
        zipped = file.peek(2).startswith(_GZIP)
        text: gzip.GzipFile | io.BufferedReader = gzip.GzipFile(fileobj=file) if zipped else file
        try:
            while line := text.readline(_MAX_LINE + 1):
                lines.append(line)
                total += len(line)
                place = f"{path}, line {len(lines):,}"
                if len(line) > _MAX_LINE:
                    raise InvalidInputError(f"{place}: it is longer than {_MAX_LINE:,} bytes")
                if total > _MAX_FILE or len(lines) > _MAX_SNAPSHOTS:
                    most = f"{_MAX_SNAPSHOTS:,} snapshots and {_MAX_FILE:,} bytes"
                    raise InvalidInputError(f"{place}: at most {most} are read")
        except (EOFError, zlib.error, gzip.BadGzipFile):
            return lines, True
    return lines, False
