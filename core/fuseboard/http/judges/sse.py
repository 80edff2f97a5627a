"""Parsing server-sent events (`text/event-stream`), however the stream is cut."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from fuseboard.http.judges.json_object import TOO_LONG, InvalidResponseError
from fuseboard.http.judges.ndjson import MAX_LINE, LineSplitter

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_FIELD = re.compile(rb"(?:data|event|id|retry|error)?:")


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event: its type, empty if the stream names none, and its data."""

    kind: bytes
    data: bytes


def looks_like_events(start: bytes) -> bool:
    """Return whether a body that starts so is a stream of events, whatever its type says."""
    return _FIELD.match(start.removeprefix(_BYTE_ORDER_MARK).lstrip()) is not None


class EventParser:
    r"""Parse chunks of bytes into events, as the WHATWG HTML standard (9.2) defines them.

    Lines end with `\n`, `\r\n` or `\r`; comments and fields other than `event`
    and `data` are skipped, but for `error`: llama.cpp sends its errors as
    `error: {…}`, which becomes an event of that type. Raises
    `InvalidResponseError` on an event whose data is longer than `MAX_LINE`.
    """

    def __init__(self) -> None:
        self._lines = LineSplitter()
        self._at_start = True
        self._after_return = False
        self._kind = b""
        self._data = bytearray()  # each of its lines ends with \n

    def feed(self, data: bytes) -> Iterator[ServerSentEvent]:
        """Add a chunk and yield the events it completes."""
        if not data:
            return
        after_return, self._after_return = self._after_return, data.endswith(b"\r")
        if after_return:
            data = data.removeprefix(b"\n")
        for line in self._lines.feed(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")):
            yield from self._read(line)

    def rest(self) -> Iterator[ServerSentEvent]:
        """Yield the event that no blank line ended; many servers end a stream that way."""
        yield from self._read(self._lines.rest())
        yield from self._read(b"")

    def _read(self, line: bytes) -> Iterator[ServerSentEvent]:
        if self._at_start:
            line = line.removeprefix(_BYTE_ORDER_MARK)
            self._at_start = False
        if not line:
            if self._kind or self._data:
                yield ServerSentEvent(self._kind, bytes(self._data[:-1]))
            self._kind = b""
            self._data.clear()
            return
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"event":
            self._kind = value
        elif field in (b"data", b"error"):
            if field == b"error":
                self._kind = b"error"
            self._data += value + b"\n"
            if len(self._data) > MAX_LINE:
                self._data.clear()
                raise InvalidResponseError(TOO_LONG)
