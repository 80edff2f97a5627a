"""Dividing a body into its chunks: the lines or the events of a stream.

How a server writes its stream, in one piece or byte by byte, makes no difference.
"""

from __future__ import annotations

import re

MAX_CHUNK_BYTES = 64 * 1024
"""A longer line or event is passed on in several chunks: it is not held in memory."""

_LINE_END = re.compile(rb"\n")
_EVENT_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")

EVENT_STREAM = "text/event-stream"
_STREAM_TYPES = {
    EVENT_STREAM,
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/stream+json",
}

_FINISH = re.compile(
    rb'"(done_reason|finish_reason|finishReason|stop_reason)"\s*:\s*"|"done"\s*:\s*true'
    rb'|"type"\s*:\s*"response\.(completed|incomplete|failed)"|^data:\s*\[DONE\]'
)


def is_stream(media_type: str) -> bool:
    """Return whether a body of this type is a stream of lines or events."""
    return media_type in _STREAM_TYPES


def finishes(chunk: bytes) -> bool:
    """Return whether a chunk of a stream says that the answer is complete."""
    return _FINISH.search(chunk) is not None


class ChunkSplitter:
    """The chunks of one body.

    Args:
        media_type: What the body is: events end with an empty line, all else with a line.
    """

    def __init__(self, media_type: str) -> None:
        self._end = _EVENT_END if media_type == EVENT_STREAM else _LINE_END
        self._rest = b""

    def split(self, data: bytes) -> list[bytes]:
        """Return the chunks that are complete with these bytes."""
        data = self._rest + data
        chunks = []
        start = 0
        for end in self._end.finditer(data):
            while end.end() - start > MAX_CHUNK_BYTES:
                chunks.append(data[start : start + MAX_CHUNK_BYTES])
                start += MAX_CHUNK_BYTES
            chunks.append(data[start : end.end()])
            start = end.end()
        while len(data) - start > MAX_CHUNK_BYTES:
            chunks.append(data[start : start + MAX_CHUNK_BYTES])
            start += MAX_CHUNK_BYTES
        self._rest = data[start:]
        return chunks

    def rest(self) -> bytes:
        """Return what has come of an incomplete chunk, and forget it."""
        rest, self._rest = self._rest, b""
        return rest
