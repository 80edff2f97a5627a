"""Read newline-delimited JSON, whatever pieces its bytes come in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fuseboard.http.judges.error_message import ErrorMessage

TOO_LONG = "answer is too long"

LONGEST_LINE = 16 * 1024 * 1024  # bytes; a batch of embeddings is one line


class InvalidResponseError(Exception):
    """An answer is no good one; the message is fit for a reason."""


class LineSplitter:
    r"""Bytes on their way to become lines, which only `\n` ends.

    Raises `InvalidResponseError` on a line that is too long to be kept.
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
            raise InvalidResponseError(TOO_LONG)


def parse_item(data: bytes, words: ErrorMessage) -> dict[str, Any]:
    """Read one JSON object; `words` reads what an error among them says.

    Raises:
        BadAnswerError: If it is none, or tells of an error; that is looked for
            before anything else, because some servers send `done` with it.
    """
    try:
        item = json.loads(data)
    except (ValueError, RecursionError):
        raise InvalidResponseError("answer is not JSON") from None
    if not isinstance(item, dict):
        raise InvalidResponseError("answer is not a JSON object")
    if item.get("error"):
        raise error_in_the_answer(words.in_item(item))
    return item


def error_in_the_answer(words: str) -> InvalidResponseError:
    """Make what is raised for an answer that tells of an error in these words."""
    return InvalidResponseError(f"error in the answer: {words or 'unnamed'}")
