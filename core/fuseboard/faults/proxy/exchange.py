"""One exchange through the fault proxy: receiving, forwarding or failing its request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Sequence
from typing import Any, NoReturn
from urllib.parse import urlsplit

import h11

from fuseboard.faults.proxy.api_errors import error_body
from fuseboard.faults.proxy.downstream import ClientConnection, ConnectionEnded
from fuseboard.faults.proxy.fault_hits import FaultHits
from fuseboard.faults.proxy.hop_by_hop import end_to_end
from fuseboard.faults.proxy.response import ProxiedResponse
from fuseboard.faults.proxy.upstream import Upstream, UpstreamConnection
from fuseboard.faults.switches import FaultSwitches

_MAX_BUFFERED_BYTES = 1024 * 1024  # of a request, before the faults are applied to it
_DRAIN_SECONDS = 5.0

BodyEvent = h11.Data | h11.EndOfMessage


class ProxiedExchange:
    """A request that is forwarded, or responded to by a fault.

    Implements `fuseboard.faults.effects.InterceptedRequest`.

    Args:
        client: The connection that the request came from.
        request: The head of the request.
        upstream: The server to forward to.
        upstream_connection: An open connection to it, left by the previous exchange.
        switches: Which faults are active.
    """

    def __init__(
        self,
        client: ClientConnection,
        request: h11.Request,
        upstream: Upstream,
        upstream_connection: UpstreamConnection | None,
        switches: FaultSwitches,
    ) -> None:
        self.upstream_connection = upstream_connection
        """The connection to the server that the next exchange can reuse."""
        self._client = client
        self._request = request
        self._target = _origin_form(request.target)
        self._path = self._target.partition(b"?")[0].decode("latin-1")
        self._upstream = upstream
        self._fault_hits = FaultHits(switches, self._path)
        self._buffered: list[BodyEvent] = []
        self._request_complete = False

    async def run(self) -> None:
        """Run the exchange until its response is sent.

        Raises:
            ConnectionEnded: If the client disconnects, or its connection must be closed.
            OSError: If the connection to the server fails.
            h11.ProtocolError: If either side violates HTTP.
        """
        await self._buffer_request()
        if self._request_complete:
            await _run_unless(self._client.wait_for_disconnect(), self._forward())
        else:
            # Reading the rest of the request detects a disconnect.
            await self._forward()

    # What a fault can do: InterceptedRequest

    @property
    def model(self) -> str:
        """The model that the request names; empty if it names none."""
        chunks = [bytes(event.data) for event in self._buffered if isinstance(event, h11.Data)]
        try:
            body = json.loads(b"".join(chunks))
        except (ValueError, RecursionError):
            return ""
        return str(body.get("model", "")) if isinstance(body, dict) else ""

    async def respond_with_error(
        self, status: int, message: str, headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        """Send an error response in the format of the requested API."""
        await self._drain_request()
        body = error_body(self._path, message, status)
        headers = [
            ("Content-Type", "application/json; charset=utf-8"),
            ("Content-Length", str(len(body))),
            *headers,
        ]
        await self._client.send(h11.Response(status_code=status, headers=headers))
        if self._request.method != b"HEAD":
            await self._client.send(h11.Data(data=body))
        await self._client.send(h11.EndOfMessage())

    async def wait_while_active(self, fault: str, seconds: float | None = None) -> None:
        """Wait while the fault is active, for at most `seconds`."""
        await self._fault_hits.wait_while_active(fault, seconds)

    async def close(self) -> NoReturn:
        """Close the client's connection normally."""
        await self._drain_request()  # closing with unread data would be a reset
        raise ConnectionEnded

    def reset(self) -> NoReturn:
        """Reset the client's connection."""
        self._client.reset()
        raise ConnectionEnded

    # Forwarding

    async def _forward(self) -> None:
        for fault, setting in self._fault_hits:
            if fault.on_request is not None and not await fault.on_request(self, setting):
                return
        upstream = await self._connect()
        await self._send_head(upstream)
        response = ProxiedResponse(self._client, self._request.method, self._path, self._fault_hits)
        if self._request_complete:
            await self._send_buffered(upstream)
            await response.forward(upstream)
        else:
            # A server may respond before it has read the whole request.
            await _run_unless(self._upload(upstream), response.forward(upstream))
            await self._drain_upload()
        if not upstream.finish():
            upstream.close()
            self.upstream_connection = None

    async def _connect(self) -> UpstreamConnection:
        if self.upstream_connection is not None and not self.upstream_connection.is_reusable():
            self.upstream_connection.close()
            self.upstream_connection = None
        if self.upstream_connection is None:
            self.upstream_connection = await UpstreamConnection.open(self._upstream)
        return self.upstream_connection

    async def _buffer_request(self) -> None:
        """Read the request up to `_MAX_BUFFERED_BYTES`."""
        size = 0
        while size < _MAX_BUFFERED_BYTES and not self._request_complete:
            event = await self._next_body_event()
            self._buffered.append(event)
            if isinstance(event, h11.Data):
                size += len(event.data)

    async def _drain_request(self) -> None:
        """Read and discard the rest of the request."""
        while not self._request_complete:
            self._buffered.clear()
            await self._buffer_request()

    async def _drain_upload(self) -> None:
        """Discard what the client still sends after its response; closing would be a reset."""
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                await self._drain_request()
        except TimeoutError:
            raise ConnectionEnded from None

    async def _next_body_event(self) -> BodyEvent:
        event = await self._client.next_event()
        if not isinstance(event, h11.Data | h11.EndOfMessage):
            raise ConnectionEnded
        self._request_complete = isinstance(event, h11.EndOfMessage)
        return event

    async def _send_head(self, upstream: UpstreamConnection) -> None:
        headers = end_to_end(self._request.headers)
        forwarded = [(name, value) for name, value in headers if name != b"host"]
        head = h11.Request(
            method=self._request.method,
            target=self._upstream.path.encode("ascii") + self._target,
            headers=[(b"host", self._upstream.host_header), *forwarded],
        )
        await upstream.send(head)

    async def _send_buffered(self, upstream: UpstreamConnection) -> None:
        for event in self._buffered:
            await upstream.send(event)
        self._buffered.clear()

    async def _upload(self, upstream: UpstreamConnection) -> NoReturn:
        """Forward a long request, then wait for the client to disconnect."""
        accepts_data = True
        try:
            await self._send_buffered(upstream)
        except OSError:
            accepts_data = False
        while not self._request_complete:
            event = await self._next_body_event()
            try:
                if accepts_data:
                    await upstream.send(event)
            except OSError:
                accepts_data = False  # its response may still say why
        await self._client.wait_for_disconnect()


def _origin_form(target: bytes) -> bytes:
    """Return the path and the query of a target; clients of a forward proxy send a whole URL."""
    if not target.startswith((b"http://", b"https://")):
        return target
    parts = urlsplit(target)
    return (parts.path or b"/") + (b"?" + parts.query if parts.query else b"")


async def _run_unless(
    interruption: Coroutine[Any, Any, NoReturn], work: Coroutine[Any, Any, None]
) -> None:
    """Run `work` to its end, unless `interruption` raises first; its exception is raised then."""
    work_task = asyncio.create_task(work)
    interruption_task = asyncio.create_task(interruption)
    try:
        await asyncio.wait([work_task, interruption_task], return_when=asyncio.FIRST_COMPLETED)
        first = work_task if work_task.done() else interruption_task
        first.result()
    finally:
        work_task.cancel()
        interruption_task.cancel()
        await asyncio.gather(work_task, interruption_task, return_exceptions=True)
