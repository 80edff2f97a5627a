"""One response through the fault proxy: forwarding it, with the faults that hit it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NoReturn

import h11

from fuseboard.faults.apis import Api
from fuseboard.faults.catalogue import Fault
from fuseboard.faults.proxy.api_errors import stream_error
from fuseboard.faults.proxy.body import MeasuredBody, ReceivedBody, RewrittenBody, StreamBody
from fuseboard.faults.proxy.chunks import finishes, is_stream
from fuseboard.faults.proxy.downstream import ClientConnection, ConnectionEnded
from fuseboard.faults.proxy.fault_hits import FaultHits
from fuseboard.faults.proxy.hop_by_hop import end_to_end
from fuseboard.faults.proxy.payloads import rewrite_chunk
from fuseboard.faults.proxy.upstream import UpstreamConnection
from fuseboard.faults.rewriting import Rewrite
from fuseboard.snapshot.fault_setting import FaultSetting

_FRAMING = {b"content-length", b"transfer-encoding"}

Hit = tuple[Fault, FaultSetting]


class ProxiedResponse:
    """A response that is forwarded to the client.

    The chunks of a stream are its lines or events. A fault comes after some of
    them, or in place of the one that would complete the answer, and never within
    one. A body of known length is broken in its middle. Of any other body the
    lines count; if there is one only, it is broken in its middle.

    Implements `fuseboard.faults.effects.InterceptedResponse`.

    Args:
        client: The connection to send it on.
        method: The method of the request.
        api: The API that was requested.
        fault_hits: The faults that hit the exchange.
    """

    def __init__(
        self, client: ClientConnection, method: bytes, api: Api, fault_hits: FaultHits
    ) -> None:
        self._client = client
        self._has_body = method != b"HEAD"
        self._api = api
        self._fault_hits = fault_hits
        self._media_type = ""
        self._is_stream = False
        self._length: int | None = None
        """Of the body, if it was announced."""
        self._can_rewrite = False
        self._applied: set[str] = set()
        self._received_chunks = 0
        self._forwarded_chunks = 0
        self._forwarded_bytes = 0

    async def forward(self, head: h11.Event | None, upstream: UpstreamConnection) -> None:
        """Send the response to the client as it is received.

        Args:
            head: What was received first; `None` if the server closed the connection.
            upstream: The connection to receive the rest from.

        Raises:
            ConnectionEnded: If the response is incomplete, or a fault ended the connection.
            UpstreamError: If it is not valid HTTP.
            OSError: If the connection to the server fails.
        """
        if not isinstance(head, h11.Response):
            raise ConnectionEnded
        await self._send_head(head)
        body = self._body(upstream)
        last: bytes | None = None  # withheld so that a fault can take its place
        while (received := await body.next_chunk()) is not None:
            chunk, ended = self._rewrite(received) if self._is_stream else (received, False)
            self._received_chunks += 1
            if last is not None:
                await self._forward_chunk(last)
                last = None
            hit = self._next_hit()
            if hit is None:
                await self._forward_chunk(chunk)
            else:
                last = chunk
                if self._is_due(hit, received) and not await self._apply(*hit):
                    return
            if ended:
                break
        if body.failure is None and last is not None:
            last = await self._break_last(last)
            if last is None:
                return
        if last is not None:
            await self._forward_chunk(last)
        if body.failure is not None:
            raise body.failure
        await self._client.send(h11.EndOfMessage())

    # What a fault can do: InterceptedResponse

    async def send_chunk(self, data: bytes) -> None:
        """Send a chunk of the body."""
        await self._client.send(h11.Data(data=data))

    async def send_error(self, message: str) -> None:
        """Send an error within the body, in the format of the requested API."""
        await self.send_chunk(stream_error(self._api, self._media_type, message))

    async def wait_while_active(self, fault: str, seconds: float | None = None) -> None:
        """Wait while the fault is active, for at most `seconds`."""
        await self._fault_hits.wait_while_active(fault, seconds)

    async def end(self) -> None:
        """End the body normally, as if it were complete."""
        await self._client.send(h11.EndOfMessage())

    async def truncate_chunk(self) -> NoReturn:
        """Announce a longer chunk than is sent, and close the connection."""
        await self._client.send_raw(b"400\r\n{")
        raise ConnectionEnded

    def reset(self) -> NoReturn:
        """Reset the client's connection."""
        self._client.reset()
        raise ConnectionEnded

    # Forwarding

    async def _send_head(self, head: h11.Response) -> None:
        headers = end_to_end(head.headers)
        values = dict(headers)
        self._has_body = self._has_body and head.status_code not in (204, 304)
        self._media_type = (
            values.get(b"content-type", b"").partition(b";")[0].strip().decode("latin-1").lower()
        )
        # It was asked not to compress. If it does, its chunks cannot be told apart.
        is_compressed = values.get(b"content-encoding", b"identity").lower() != b"identity"
        self._is_stream = is_stream(self._media_type) and not is_compressed
        self._length = int(values[b"content-length"]) if b"content-length" in values else None
        self._can_rewrite = not is_compressed and head.status_code < 300
        hit = self._next_hit()
        if hit is not None or any(True for _ in self._rewrites()):
            # A response that will be incomplete or another must not announce its length.
            headers = [(name, value) for name, value in headers if name not in _FRAMING]
            headers.append((b"transfer-encoding", b"chunked"))
        elif self._length is not None:
            self._can_rewrite = False
        if hit is not None and hit[0].sends_body:
            headers = [(name, value) for name, value in headers if name != b"content-encoding"]
        await self._client.send(
            h11.Response(status_code=head.status_code, reason=head.reason, headers=headers)
        )

    def _body(self, upstream: UpstreamConnection) -> ReceivedBody:
        if self._is_stream:
            return StreamBody(upstream, self._media_type)
        if rewrites := [rewrite for rewrite, _ in self._rewrites()]:
            return RewrittenBody(upstream, rewrites)
        if self._length is not None:
            return MeasuredBody(upstream, self._length)
        if self._next_hit() is not None:
            return StreamBody(upstream, self._media_type)
        return ReceivedBody(upstream)

    def _rewrites(self) -> Iterator[tuple[Rewrite, FaultSetting]]:
        if self._has_body and self._can_rewrite:
            for fault, setting in self._fault_hits:
                if fault.rewrite is not None:
                    yield fault.rewrite, setting

    def _rewrite(self, chunk: bytes) -> tuple[bytes, bool]:
        """Return a chunk of a stream as the faults change it, and whether the stream ends so."""
        ended = False
        for rewrite, setting in self._rewrites():
            if self._received_chunks >= (setting.chunks or 0) or finishes(chunk):
                chunk, ended = rewrite_chunk(chunk, self._media_type, rewrite)
                if ended:
                    break
        return chunk, ended

    def _next_hit(self) -> Hit | None:
        """Return the first fault with an effect on the response that is not yet applied."""
        for fault, setting in self._fault_hits:
            if self._has_body and fault.on_response is not None and fault.name not in self._applied:
                return fault, setting
        return None

    def _is_due(self, hit: Hit, chunk: bytes) -> bool:
        """Return whether a fault is to come before this chunk."""
        fault, setting = hit
        if self._is_stream:
            return self._forwarded_chunks >= (setting.chunks or 0) or finishes(chunk)
        if not setting.chunks or (fault.sends_body and not self._forwarded_bytes):
            return True
        if self._length is not None:
            return self._forwarded_bytes >= self._length // 2
        return self._forwarded_chunks >= setting.chunks

    async def _break_last(self, chunk: bytes) -> bytes | None:
        """Let the faults that are still due take the place of the last chunk.

        Returns:
            What is left of it; `None` if the response has ended.
        """
        while hit := self._next_hit():
            if not (self._forwarded_chunks or self._is_stream or hit[0].sends_body):
                await self._forward_chunk(chunk[: len(chunk) // 2])
                chunk = chunk[len(chunk) // 2 :]
            if not await self._apply(*hit):
                return None
        return chunk

    async def _apply(self, fault: Fault, setting: FaultSetting) -> bool:
        """Apply a fault to the response; return whether the rest is still to be forwarded."""
        self._applied.add(fault.name)
        return fault.on_response is None or await fault.on_response(self, setting)

    async def _forward_chunk(self, data: bytes) -> None:
        self._forwarded_chunks += 1
        self._forwarded_bytes += len(data)
        for fault, setting in self._fault_hits:
            if fault.on_chunk is not None:
                await fault.on_chunk(self, setting, data)
                return
        await self.send_chunk(data)
