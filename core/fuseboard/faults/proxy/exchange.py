"""One request through the fault proxy, as far as the faults let it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Sequence
from typing import Any, NoReturn
from urllib.parse import urlsplit

import h11

from fuseboard.faults.proxy.api_errors import error_body
from fuseboard.faults.proxy.downstream import ClientConnection, ConnectionOver
from fuseboard.faults.proxy.fault_hits import FaultHits
from fuseboard.faults.proxy.hop_by_hop import end_to_end
from fuseboard.faults.proxy.response import ProxiedResponse
from fuseboard.faults.proxy.upstream import Upstream, UpstreamConnection
from fuseboard.faults.switches import FaultSwitches

_MOST_HELD_BACK = 1024 * 1024  # bytes of a request that wait while a fault decides
_LINGER_SECONDS = 5.0

BodyPart = h11.Data | h11.EndOfMessage


class ProxiedExchange:
    """Carries out one request.

    Args:
        client: Whose request it is.
        request: Its head.
        upstream: Where it goes.
        behind: A connection to there, from the exchange before, if there is one.
        board: Which faults are on.
    """

    def __init__(
        self,
        client: ClientConnection,
        request: h11.Request,
        upstream: Upstream,
        behind: UpstreamConnection | None,
        board: FaultSwitches,
    ) -> None:
        self.behind = behind
        self._client = client
        self._request = request
        self._target = _origin_form(request.target)
        self._path = self._target.partition(b"?")[0].decode("latin-1")
        self._upstream = upstream
        self._encounter = FaultHits(board, self._path)
        self._held_back: list[BodyPart] = []
        self._request_complete = False

    async def run(self) -> None:
        """Carry it out; raises `ConnectionOver`, `OSError` or h11's errors when the wire breaks."""
        await self._hold_request_back()
        if self._request_complete:
            await _unless(self._client.leaves(), self._carry_out())
        else:
            # A client in the middle of its request is noticed leaving when that is read.
            await self._carry_out()

    # What faults can do

    @property
    def model(self) -> str:
        """The model that the request names; empty if it names none."""
        parts = [bytes(part.data) for part in self._held_back if isinstance(part, h11.Data)]
        try:
            said = json.loads(b"".join(parts))
        except (ValueError, RecursionError):
            return ""
        return str(said.get("model", "")) if isinstance(said, dict) else ""

    async def answer(
        self, status: int, error: str, headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        """Answer with an error in the API's manner instead of passing the request on."""
        await self._read_to_the_end()
        body = error_body(self._path, error, status)
        headers = [
            ("Content-Type", "application/json; charset=utf-8"),
            ("Content-Length", str(len(body))),
            *headers,
        ]
        await self._client.send(h11.Response(status_code=status, headers=headers))
        if self._request.method != b"HEAD":
            await self._client.send(h11.Data(data=body))
        await self._client.send(h11.EndOfMessage())

    async def hold(self, fault: str, seconds: float | None = None) -> None:
        """Say nothing for some seconds, and no longer than the fault is on."""
        await self._encounter.hold(fault, seconds)

    async def close(self) -> NoReturn:
        """Close the connection properly; with something unread that would be a reset."""
        await self._read_to_the_end()
        raise ConnectionOver

    def reset(self) -> NoReturn:
        """Reset the connection."""
        self._client.reset()
        raise ConnectionOver

    # The request

    async def _carry_out(self) -> None:
        for fault, setting in self._encounter.hits():
            if fault.on_request is not None and not await fault.on_request(self, setting):
                return
        behind = await self._connect()
        await self._send_head(behind)
        answer = ProxiedResponse(self._client, self._request.method, self._path, self._encounter)
        if self._request_complete:
            await self._send_held_back(behind)
            await answer.pass_on(behind)
        else:
            # A server may answer an upload before it has read all of it.
            await _unless(self._upload(behind), answer.pass_on(behind))
            await self._let_upload_end()
        if not behind.finish():
            behind.close()
            self.behind = None

    async def _connect(self) -> UpstreamConnection:
        if self.behind is not None and not self.behind.is_fresh():
            self.behind.close()
            self.behind = None
        if self.behind is None:
            self.behind = await UpstreamConnection.open(self._upstream)
        return self.behind

    async def _hold_request_back(self) -> None:
        """Read the request as far as it is held back; small ones are read whole."""
        held = 0
        while held < _MOST_HELD_BACK and not self._request_complete:
            part = await self._next_part()
            self._held_back.append(part)
            if isinstance(part, h11.Data):
                held += len(part.data)

    async def _read_to_the_end(self) -> None:
        while not self._request_complete:
            self._held_back.clear()
            await self._hold_request_back()

    async def _let_upload_end(self) -> None:
        """Read what a client still sends that has its answer: to close on it would be a reset."""
        try:
            async with asyncio.timeout(_LINGER_SECONDS):
                await self._read_to_the_end()
        except TimeoutError:
            raise ConnectionOver from None

    async def _next_part(self) -> BodyPart:
        part = await self._client.next_event()
        if not isinstance(part, h11.Data | h11.EndOfMessage):
            raise ConnectionOver
        self._request_complete = isinstance(part, h11.EndOfMessage)
        return part

    async def _send_head(self, behind: UpstreamConnection) -> None:
        headers = end_to_end(self._request.headers)
        kept = [(name, value) for name, value in headers if name != b"host"]
        head = h11.Request(
            method=self._request.method,
            target=self._upstream.path.encode("ascii") + self._target,
            headers=[(b"host", self._upstream.host_header), *kept],
        )
        await behind.send(head)

    async def _send_held_back(self, behind: UpstreamConnection) -> None:
        for part in self._held_back:
            await behind.send(part)
        self._held_back.clear()

    async def _upload(self, behind: UpstreamConnection) -> NoReturn:
        """Pass a long request on, then wait for the client to leave; raises `ConnectionOver`."""
        listens = True
        try:
            await self._send_held_back(behind)
        except OSError:
            listens = False
        while not self._request_complete:
            part = await self._next_part()
            try:
                if listens:
                    await behind.send(part)
            except OSError:
                listens = False  # what it has to say about that is still to be read
        await self._client.leaves()


def _origin_form(target: bytes) -> bytes:
    """Give the path and the query of a target; clients of a forward proxy name the host as well."""
    if not target.startswith((b"http://", b"https://")):
        return target
    parts = urlsplit(target)
    return (parts.path or b"/") + (b"?" + parts.query if parts.query else b"")


async def _unless(ending: Coroutine[Any, Any, NoReturn], work: Coroutine[Any, Any, None]) -> None:
    """Do some work unless something else raises before it is done."""
    working = asyncio.create_task(work)
    waiting = asyncio.create_task(ending)
    try:
        await asyncio.wait([working, waiting], return_when=asyncio.FIRST_COMPLETED)
        first = working if working.done() else waiting
        first.result()
    finally:
        working.cancel()
        waiting.cancel()
        await asyncio.gather(working, waiting, return_exceptions=True)
