"""Splitting newline-delimited JSON into its lines, however the stream is cut."""

from __future__ import annotations

from collections.abc import Iterator

from fuseboard.http.judges.json_object import TOO_LONG, InvalidResponseError

MAX_LINE = 16 * 1024 * 1024  # bytes; a batch of embeddings is one line


class LineSplitter:
    r"""Split chunks of bytes into lines, which end with `\n` only.

    Raises `InvalidResponseError` on a line longer than `MAX_LINE`.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        r"""Add a chunk and yield the lines it completes, without their `\n`."""
        self._buffer += data
        while (end := self._buffer.find(b"\n", self._searched)) >= 0:
            self._check_length(end)
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            self._searched = 0
            yield line
        self._searched = len(self._buffer)
        self._check_length(self._searched)

    def rest(self) -> bytes:
        """Remove and return the unterminated last line."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        self._searched = 0
        return rest

    def _check_length(self, length: int) -> None:
        if length > MAX_LINE:
            self._buffer.clear()
            raise InvalidResponseError(TOO_LONG)
