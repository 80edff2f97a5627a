"""The body of a response as it comes from the server, divided into chunks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import h11

from fuseboard.faults.proxy.chunks import ChunkSplitter
from fuseboard.faults.proxy.downstream import ConnectionEnded
from fuseboard.faults.proxy.payloads import rewrite_document
from fuseboard.faults.proxy.upstream import UpstreamConnection, UpstreamError
from fuseboard.faults.rewriting import Rewrite

_MAX_REWRITTEN_BYTES = 1024 * 1024  # of a body that is no stream; a longer one stays as it is

Divide = Callable[[bytes], Sequence[bytes]]


class ReceivedBody:
    """A body that is received chunk by chunk.

    Args:
        upstream: The connection that it comes from, after its head was received.
    """

    def __init__(self, upstream: UpstreamConnection) -> None:
        self.failure: Exception | None = None
        """Why it is incomplete; set with the last chunk."""
        self._upstream = upstream
        self._chunks: deque[bytes] = deque()
        self._ended = False

    async def next_chunk(self) -> bytes | None:
        """Return the next chunk, or `None` after the last."""
        while not self._chunks:
            if self._ended:
                return None
            data = await self._receive()
            self._chunks.extend(self._divide(data) if data is not None else self._finish())
        return self._chunks.popleft()

    def _divide(self, data: bytes) -> Sequence[bytes]:
        """Return the chunks that are complete with these bytes."""
        return [data]

    def _finish(self) -> Sequence[bytes]:
        """Return what is left at the end of the body."""
        return []

    async def _receive(self) -> bytes | None:
        try:
            event = await self._upstream.receive()
        except (UpstreamError, OSError) as error:
            self.failure = error
        else:
            if isinstance(event, h11.Data):
                return bytes(event.data)
            if not isinstance(event, h11.EndOfMessage):
                self.failure = ConnectionEnded()
        self._ended = True
        return None


class StreamBody(ReceivedBody):
    """A stream of lines or events.

    Args:
        upstream: The connection that it comes from.
        media_type: Which of the two.
    """

    def __init__(self, upstream: UpstreamConnection, media_type: str) -> None:
        super().__init__(upstream)
        self._splitter = ChunkSplitter(media_type)

    def _divide(self, data: bytes) -> Sequence[bytes]:
        return self._splitter.split(data)

    def _finish(self) -> Sequence[bytes]:
        rest = self._splitter.rest()
        return [rest] if rest else []


class MeasuredBody(ReceivedBody):
    """A body of known length; a chunk ends in its middle.

    Args:
        upstream: The connection that it comes from.
        length: In bytes.
    """

    def __init__(self, upstream: UpstreamConnection, length: int) -> None:
        super().__init__(upstream)
        self._before_middle = length // 2

    def _divide(self, data: bytes) -> Sequence[bytes]:
        first, second = data[: self._before_middle], data[self._before_middle :]
        self._before_middle -= len(first)
        return [part for part in (first, second) if part]


class RewrittenBody(ReceivedBody):
    """A JSON object that is changed once it is complete.

    Args:
        upstream: The connection that it comes from.
        rewrites: The changes.
    """

    def __init__(self, upstream: UpstreamConnection, rewrites: Sequence[Rewrite]) -> None:
        super().__init__(upstream)
        self._rewrites = rewrites
        self._collected = b""
        self._is_too_long = False

    def _divide(self, data: bytes) -> Sequence[bytes]:
        if self._is_too_long:
            return [data]
        self._collected += data
        if len(self._collected) <= _MAX_REWRITTEN_BYTES:
            return []
        self._is_too_long = True
        return [self._collected]

    def _finish(self) -> Sequence[bytes]:
        if self._is_too_long or not self._collected:
            return []
        if self.failure is not None:
            return [self._collected]
        body = rewrite_document(self._collected, self._rewrites)
        return [body[: len(body) // 2], body[len(body) // 2 :]]
