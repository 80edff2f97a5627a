"""Reading server-sent events, whatever pieces they come in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fuseboard.http.judges.ndjson import LONGEST_LINE, TOO_LONG, InvalidResponseError, LineSplitter

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event: its type, empty unless it names one, and its data."""

    kind: bytes
    data: bytes


class EventParser:
    r"""A `text/event-stream` on its way to become events.

    Lines end with `\n`, `\r\n` or `\r`; comments and fields other than `event`
    and `data` are passed over. Raises `InvalidResponseError` on an event that is too
    long to be kept.
    """

    def __init__(self) -> None:
        self._lines = LineSplitter()
        self._at_start = True
        self._after_return = False
        self._kind = b""
        self._data = bytearray()  # each line of it ends with \n

    def feed(self, data: bytes) -> Iterator[ServerSentEvent]:
        """Add a piece; gives the events it completes."""
        if not data:
            return
        after_return, self._after_return = self._after_return, data.endswith(b"\r")
        if after_return:
            data = data.removeprefix(b"\n")
        for line in self._lines.feed(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")):
            yield from self._read(line)

    def rest(self) -> Iterator[ServerSentEvent]:
        """Give the event that the end of the stream cut short; many servers end so."""
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
        elif field == b"data":
            self._data += value + b"\n"
            if len(self._data) > LONGEST_LINE:
                self._data.clear()
                raise InvalidResponseError(TOO_LONG)
