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

    def feed(self, data: bytes) -> Iterator[bytes]:
        r"""Add a chunk and yield the lines it completes, without their `\n`."""
        self._buffer += data
        if b"\n" in data:  # at once: a server may send millions of empty lines
            *lines, rest = bytes(self._buffer).split(b"\n")
            self._buffer = bytearray(rest)
            for line in lines:
                self._check_length(len(line))
                yield line
        self._check_length(len(self._buffer))

    def rest(self) -> bytes:
        """Remove and return the unterminated last line."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest

    def _check_length(self, length: int) -> None:
        if length > MAX_LINE:
            self._buffer.clear()
            raise InvalidResponseError(TOO_LONG)
