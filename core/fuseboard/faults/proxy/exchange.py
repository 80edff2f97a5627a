"""One exchange through the fault proxy: receiving, forwarding or failing its request."""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Coroutine
from typing import Any, NoReturn

import h11

from fuseboard.faults.apis import api_of
from fuseboard.faults.proxy.api_errors import error_body
from fuseboard.faults.proxy.downstream import ClientConnection, ConnectionEnded, RequestRefused
from fuseboard.faults.proxy.fault_hits import FaultHits
from fuseboard.faults.proxy.hop_by_hop import end_to_end
from fuseboard.faults.proxy.response import ProxiedResponse
from fuseboard.faults.proxy.upstream import Upstream, UpstreamConnection
from fuseboard.faults.switches import FaultSwitches

_MAX_BUFFERED_BYTES = 128 * 1024
"""Of a request, before the faults are applied to it; more is read as the server takes it."""
_DRAIN_SECONDS = 5.0

_NOT_FORWARDED = {b"host", b"accept-encoding"}
_ABSOLUTE_FORM = re.compile(rb"https?://[^/?]*(?P<target>.*)", re.IGNORECASE | re.DOTALL)
_MODEL = re.compile(rb'"model"\s*:\s*("(?:[^"\\]|\\.)*")')

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

    Raises:
        RequestRefused: If the request is not one that can be forwarded.
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
        self._target = _origin_form(request)
        path = self._target.partition(b"?")[0].decode("latin-1")
        self.api = api_of(path, request.headers)
        """The API that is requested."""
        self.reached_upstream = False
        """Whether the server has responded."""
        self._upstream = upstream
        self._fault_hits = FaultHits(switches, path)
        self._buffered: list[BodyEvent] = []
        self._request_complete = False

    async def run(self) -> None:
        """Run the exchange until its response is sent.

        Raises:
            ConnectionEnded: If the client disconnects, or its connection must be closed.
            ConnectionRefusedError: If the server refuses a new connection.
            RequestRefused: If the body of the request is malformed or too slow.
            UpstreamError: If the server cannot be connected to, or does not speak HTTP.
            OSError: If the connection to the server fails otherwise.
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
        body = b"".join(chunks)
        try:
            if not self._request_complete:
                # It cannot be parsed, but the name is found unless it comes last.
                found = _MODEL.search(body)
                return str(json.loads(found[1])) if found else ""
            fields = json.loads(body)
        except (ValueError, RecursionError):
            return ""
        return str(fields.get("model", "")) if isinstance(fields, dict) else ""

    async def respond_with_error(
        self, status: int, message: str, retry_after: float | None = None
    ) -> None:
        """Send an error response in the form of the requested API."""
        await self._drain_request()
        body = error_body(self.api, message, status, retry_after)
        headers = [
            ("Content-Type", "application/json; charset=utf-8"),
            ("Content-Length", str(len(body))),
        ]
        if retry_after is not None:
            # The one is in whole seconds by definition; OpenAI and its clients have the other.
            headers.append(("Retry-After", str(math.ceil(retry_after))))
            headers.append(("Retry-After-Ms", str(math.ceil(retry_after * 1000))))
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
        response = ProxiedResponse(self._client, self._request.method, self.api, self._fault_hits)
        if self._request_complete:
            head, upstream = await self._send_whole()
            self._buffered.clear()
            await response.forward(head, upstream)
        else:
            upstream = await self._connect()
            await self._send_head(upstream)
            # A server may respond before it has read the whole request.
            await _run_unless(self._upload(upstream), _respond(response, upstream))
            await self._drain_upload()
        self.reached_upstream = True
        if not upstream.finish():
            upstream.close()
            self.upstream_connection = None

    async def _send_whole(self) -> tuple[h11.Event | None, UpstreamConnection]:
        """Send the request; return what is received first, and the connection.

        A server may close an idle connection at the moment at which it is used again.
        The client knows nothing of that connection, so that the request is sent again
        on a new one, as by Go's client.
        """
        reused = self.upstream_connection
        upstream = await self._connect()
        try:
            head = await self._send_on(upstream)
        except ConnectionError:
            if upstream is not reused:
                raise
            head = None
        if head is not None or upstream is not reused or not upstream.is_silent():
            return head, upstream
        upstream.close()
        self.upstream_connection = None
        upstream = await self._connect()
        return await self._send_on(upstream), upstream

    async def _send_on(self, upstream: UpstreamConnection) -> h11.Event | None:
        await self._send_head(upstream)
        for event in self._buffered:
            await upstream.send(event)
        return await upstream.receive()

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
        event = await self._client.next_body_event()
        self._request_complete = isinstance(event, h11.EndOfMessage)
        return event

    async def _send_head(self, upstream: UpstreamConnection) -> None:
        # Faults can divide and complete only a body that is not compressed.
        own = [(b"host", self._upstream.host_header), (b"accept-encoding", b"identity")]
        forwarded = [
            (name, value)
            for name, value in end_to_end(self._request.headers)
            if name not in _NOT_FORWARDED
        ]
        head = h11.Request(
            method=self._request.method,
            target=self._upstream.path.encode("ascii") + self._target,
            headers=[*own, *forwarded],
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


def is_for_a_proxy(request: h11.Request) -> bool:
    """Return whether a request names its host in the target.

    Clients of a forward proxy send it so; a web page cannot make its browser do so.
    """
    return _ABSOLUTE_FORM.match(request.target) is not None


def _origin_form(request: h11.Request) -> bytes:
    """Return the path and the query of a request's target.

    Raises:
        RequestRefused: If it has none.
    """
    if request.method == b"CONNECT":
        allowed = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
        raise RequestRefused(405, "the fault proxy makes no tunnels", [("Allow", allowed)])
    absolute = _ABSOLUTE_FORM.fullmatch(request.target)
    target = absolute["target"] if absolute else request.target
    if absolute and not target.startswith(b"/"):
        target = b"/" + target
    if not target.startswith(b"/") and target != b"*":
        raise RequestRefused(400, "malformed request: the target is no path")
    return target


async def _respond(response: ProxiedResponse, upstream: UpstreamConnection) -> None:
    await response.forward(await upstream.receive(), upstream)


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
