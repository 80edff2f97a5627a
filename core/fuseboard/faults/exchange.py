"""One request through the fault proxy and its answer, as far as the faults let them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any

import h11

from fuseboard.faults.board import FaultBoard
from fuseboard.faults.catalogue import CHUNKS_BEFORE_BREAK, Fault
from fuseboard.faults.downstream import ClientConnection, ConnectionOver
from fuseboard.faults.upstream import Upstream, UpstreamConnection

_MOST_HELD_BACK = 1024 * 1024  # bytes of a request that wait while a fault decides
_HOP_BY_HOP = {b"connection", b"keep-alive", b"proxy-connection", b"te", b"upgrade", b"expect"}
_FRAMING = {b"content-length", b"transfer-encoding"}

BodyPart = h11.Data | h11.EndOfMessage


class Exchange:
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
        board: FaultBoard,
    ) -> None:
        self.behind = behind
        self._client = client
        self._request = request
        self._upstream = upstream
        self._board = board
        self._held_back: list[BodyPart] = []
        self._request_complete = False
        self._rolled: dict[str, bool] = {}

    async def run(self) -> None:
        """Carry it out; raises `ConnectionOver`, `OSError` or h11's errors when the wire breaks."""
        await self._hold_request_back()
        if self._request_complete:
            await self._unless_client_leaves(self._carry_out())
        else:
            # A client in the middle of its request is noticed leaving when that is read.
            await self._carry_out()

    # What faults can do

    async def answer(self, status: int, error: str) -> None:
        """Answer in Ollama's manner instead of passing the request on."""
        while not self._request_complete:
            self._held_back.clear()
            await self._hold_request_back()
        body = json.dumps({"error": error}).encode()
        headers = [
            ("Content-Type", "application/json; charset=utf-8"),
            ("Content-Length", str(len(body))),
        ]
        await self._client.send(h11.Response(status_code=status, headers=headers))
        await self._client.send(h11.Data(data=body))
        await self._client.send(h11.EndOfMessage())

    async def hold(self, fault: str, seconds: float | None = None) -> None:
        """Say nothing for some seconds, and no longer than the fault is on."""
        try:
            async with asyncio.timeout(seconds):
                while self._board.is_on(fault):
                    await self._board.change()
        except TimeoutError:
            return

    async def end_answer(self) -> None:
        """End the answer properly, as if nothing were missing."""
        await self._client.send(h11.EndOfMessage())

    async def reset(self) -> None:
        """Reset the connection."""
        self._client.reset()
        raise ConnectionOver

    # The request

    async def _carry_out(self) -> None:
        for fault in self._board.active():
            if fault.on_request is None or not self._is_hit_by(fault):
                continue
            if not await fault.on_request(self):
                return
        behind = await self._connect()
        await self._pass_request_on(behind)
        await self._pass_answer_on(behind)

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

    async def _next_part(self) -> BodyPart:
        part = await self._client.next_event()
        if not isinstance(part, h11.Data | h11.EndOfMessage):
            raise ConnectionOver
        self._request_complete = isinstance(part, h11.EndOfMessage)
        return part

    async def _pass_request_on(self, behind: UpstreamConnection) -> None:
        dropped = _HOP_BY_HOP | {b"host"}
        kept = [(name, value) for name, value in self._request.headers if name not in dropped]
        head = h11.Request(
            method=self._request.method,
            target=self._upstream.path.encode("ascii") + self._request.target,
            headers=[(b"host", self._upstream.host_header), *kept],
        )
        await behind.send(head)
        for part in self._held_back:
            await behind.send(part)
        self._held_back.clear()
        while not self._request_complete:
            await behind.send(await self._next_part())

    # The answer

    async def _pass_answer_on(self, behind: UpstreamConnection) -> None:
        head = await behind.receive()
        if not isinstance(head, h11.Response):
            raise ConnectionOver
        breaking = self._breaking_fault()
        # An answer that will lack something cannot promise its length.
        dropped = _HOP_BY_HOP | _FRAMING if breaking else _HOP_BY_HOP
        headers = [(name, value) for name, value in head.headers if name not in dropped]
        if breaking and self._request.method != b"HEAD":
            headers.append((b"transfer-encoding", b"chunked"))
        await self._client.send(h11.Response(status_code=head.status_code, headers=headers))

        passed = 0
        held: bytes | None = None
        while isinstance(part := await behind.receive(), h11.Data):
            breaking = breaking or self._breaking_fault()
            if held is not None:
                await self._client.send(h11.Data(data=held))
                passed += 1
                held = None
            if breaking is None:
                await self._client.send(h11.Data(data=bytes(part.data)))
                passed += 1
            elif passed >= CHUNKS_BEFORE_BREAK:
                break
            else:
                # One chunk behind from here on, so that the last one never gets out.
                held = bytes(part.data)
        if breaking is not None and breaking.on_body is not None:
            if held and not passed:
                await self._client.send(h11.Data(data=held[: len(held) // 2]))
            await breaking.on_body(self)
        elif isinstance(part, h11.EndOfMessage):
            await self._client.send(h11.EndOfMessage())
        else:
            raise ConnectionOver
        if not behind.finish():
            behind.close()
            self.behind = None

    def _breaking_fault(self) -> Fault | None:
        """Find a fault that breaks this answer; each is rolled once, when it is first met."""
        for fault in self._board.active():
            if fault.on_body is not None and self._is_hit_by(fault):
                return fault
        return None

    def _is_hit_by(self, fault: Fault) -> bool:
        if fault.name not in self._rolled:
            self._rolled[fault.name] = self._board.hits(fault)
        return self._rolled[fault.name]

    async def _unless_client_leaves(self, work: Coroutine[Any, Any, None]) -> None:
        working = asyncio.create_task(work)
        leaving = asyncio.create_task(self._client.leaves())
        try:
            await asyncio.wait([working, leaving], return_when=asyncio.FIRST_COMPLETED)
            first = working if working.done() else leaving
            first.result()
        finally:
            working.cancel()
            leaving.cancel()
            await asyncio.gather(working, leaving, return_exceptions=True)
