"""One response through the fault proxy: forwarding it, with the faults that hit it."""

from __future__ import annotations

from typing import NoReturn

import h11

from fuseboard.faults.catalogue import Fault
from fuseboard.faults.proxy.api_errors import stream_error
from fuseboard.faults.proxy.downstream import ClientConnection, ConnectionEnded
from fuseboard.faults.proxy.fault_hits import FaultHits
from fuseboard.faults.proxy.hop_by_hop import end_to_end
from fuseboard.faults.proxy.upstream import UpstreamConnection
from fuseboard.snapshot.fault_setting import FaultSetting

_FRAMING = {b"content-length", b"transfer-encoding"}


class ProxiedResponse:
    """A response that is forwarded to the client.

    Implements `fuseboard.faults.effects.InterceptedResponse`.

    Args:
        client: The connection to send it on.
        method: The method of the request.
        path: The path of the request.
        fault_hits: The faults that hit the exchange.
    """

    def __init__(
        self, client: ClientConnection, method: bytes, path: str, fault_hits: FaultHits
    ) -> None:
        self._client = client
        self._has_body = method != b"HEAD"
        self._path = path
        self._fault_hits = fault_hits
        self._media_type = ""
        self._applied: set[str] = set()

    async def forward(self, upstream: UpstreamConnection) -> None:
        """Receive the response from the server and send it to the client.

        Raises:
            ConnectionEnded: If the response is incomplete, or a fault ended the connection.
        """
        head = await upstream.receive()
        if not isinstance(head, h11.Response):
            raise ConnectionEnded
        await self._send_head(head)
        forwarded = 0
        pending: bytes | None = None  # the last chunk, withheld so that a fault can drop it
        while isinstance(event := await upstream.receive(), h11.Data):
            if pending is not None:
                await self._forward_chunk(pending)
                forwarded += 1
                pending = None
            hit = self._next_hit()
            if hit is None:
                await self._forward_chunk(bytes(event.data))
                forwarded += 1
                continue
            pending = bytes(event.data)
            if forwarded >= (hit[1].chunks or 0) and not await self._apply(*hit):
                return
        if not isinstance(event, h11.EndOfMessage):
            if pending is not None:
                await self._forward_chunk(pending)
            raise ConnectionEnded
        if pending is not None:
            while hit := self._next_hit():
                if not forwarded:
                    pending = await self._forward_first_half(hit[0], pending)
                if not await self._apply(*hit):
                    return
            await self._forward_chunk(pending)
        await self._client.send(h11.EndOfMessage())

    # What a fault can do: InterceptedResponse

    async def send_chunk(self, data: bytes) -> None:
        """Send a chunk of the body."""
        await self._client.send(h11.Data(data=data))

    async def send_error(self, message: str) -> None:
        """Send an error within the body, in the format of the requested API."""
        await self.send_chunk(stream_error(self._path, self._media_type, message))

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
        for name, value in headers:
            if name == b"content-type":
                self._media_type = value.partition(b";")[0].strip().decode("latin-1").lower()
        self._has_body = self._has_body and head.status_code not in (204, 304)
        if self._next_hit() is not None:
            # A response that will be incomplete must not announce its length.
            headers = [(name, value) for name, value in headers if name not in _FRAMING]
            headers.append((b"transfer-encoding", b"chunked"))
        await self._client.send(
            h11.Response(status_code=head.status_code, reason=head.reason, headers=headers)
        )

    def _next_hit(self) -> tuple[Fault, FaultSetting] | None:
        """Return the first fault with an effect on the response that is not yet applied."""
        for fault, setting in self._fault_hits:
            if self._has_body and fault.on_response is not None and fault.name not in self._applied:
                return fault, setting
        return None

    async def _apply(self, fault: Fault, setting: FaultSetting) -> bool:
        """Apply a fault to the response; return whether the rest is still to be forwarded."""
        self._applied.add(fault.name)
        return fault.on_response is None or await fault.on_response(self, setting)

    async def _forward_first_half(self, fault: Fault, body: bytes) -> bytes:
        """Forward half of a body of one chunk, unless the fault sends a body; return the rest."""
        if fault.sends_body:
            return body
        await self._forward_chunk(body[: len(body) // 2])
        return body[len(body) // 2 :]

    async def _forward_chunk(self, data: bytes) -> None:
        for fault, setting in self._fault_hits:
            if fault.on_chunk is not None:
                await fault.on_chunk(self, setting, data)
                return
        await self.send_chunk(data)
