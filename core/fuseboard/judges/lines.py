"""Cutting bytes into lines, whatever pieces they come in."""

from __future__ import annotations

from collections.abc import Iterator

from fuseboard.judges.items import TOO_LONG, BadAnswerError

LONGEST_LINE = 16 * 1024 * 1024  # bytes; a batch of embeddings is one line


class Lines:
    r"""Bytes on their way to become lines, which only `\n` ends.

    Raises `BadAnswerError` on a line that is too long to be kept.
    """

    def __init__(self) -> None:
        self._unread = bytearray()
        self._searched = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        r"""Add a piece; gives the lines it completes, without their `\n`."""
        self._unread += data
        while (end := self._unread.find(b"\n", self._searched)) >= 0:
            self._require_room(end)
            line = bytes(self._unread[:end])
            del self._unread[: end + 1]
            self._searched = 0
            yield line
        self._searched = len(self._unread)
        self._require_room(self._searched)

    def rest(self) -> bytes:
        """Take what came after the last line."""
        rest = bytes(self._unread)
        self._unread.clear()
        self._searched = 0
        return rest

    def _require_room(self, length: int) -> None:
        if length > LONGEST_LINE:
            self._unread.clear()
            raise BadAnswerError(TOO_LONG)
