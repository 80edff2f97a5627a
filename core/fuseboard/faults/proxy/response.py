"""One answer on its way through the fault proxy, as far as the faults let it."""

from __future__ import annotations

from typing import NoReturn

import h11

from fuseboard.faults.catalogue import Fault
from fuseboard.faults.proxy.api_errors import error_item
from fuseboard.faults.proxy.downstream import ClientConnection, ConnectionOver
from fuseboard.faults.proxy.fault_hits import FaultHits
from fuseboard.faults.proxy.hop_by_hop import end_to_end
from fuseboard.faults.proxy.upstream import UpstreamConnection
from fuseboard.snapshot.fault_setting import FaultSetting

_FRAMING = {b"content-length", b"transfer-encoding"}


class ProxiedResponse:
    """Passes an answer on.

    Args:
        client: Whose it is.
        method: The request's method.
        path: The request's path.
        encounter: Which faults it meets.
    """

    def __init__(
        self, client: ClientConnection, method: bytes, path: str, encounter: FaultHits
    ) -> None:
        self._client = client
        self._has_body = method != b"HEAD"
        self._path = path
        self._encounter = encounter
        self._media_type = ""
        self._met: set[str] = set()

    async def pass_on(self, behind: UpstreamConnection) -> None:
        """Pass it on from `behind`; raises `ConnectionOver` where that breaks off."""
        head = await behind.receive()
        if not isinstance(head, h11.Response):
            raise ConnectionOver
        await self._begin(head)
        passed = 0
        held: bytes | None = None  # the last chunk, so that a fault can keep the end back
        while isinstance(part := await behind.receive(), h11.Data):
            if held is not None:
                await self._pass(held)
                passed += 1
                held = None
            breaking = self._breaking()
            if breaking is None:
                await self._pass(bytes(part.data))
                passed += 1
                continue
            held = bytes(part.data)
            if passed >= (breaking[1].chunks or 0) and not await self._break(*breaking):
                return
        if not isinstance(part, h11.EndOfMessage):
            if held is not None:
                await self._pass(held)
            raise ConnectionOver
        if held is not None:
            while breaking := self._breaking():
                held = await self._split(breaking[0], held) if not passed else held
                if not await self._break(*breaking):
                    return
            await self._pass(held)
        await self._client.send(h11.EndOfMessage())

    # What faults can do

    async def say(self, data: bytes) -> None:
        """Send a piece."""
        await self._client.send(h11.Data(data=data))

    async def say_error(self, error: str) -> None:
        """Send an error in the API's manner, as a part of the answer."""
        await self.say(error_item(self._path, self._media_type, error))

    async def hold(self, fault: str, seconds: float | None = None) -> None:
        """Say nothing for some seconds, and no longer than the fault is on."""
        await self._encounter.hold(fault, seconds)

    async def end(self) -> None:
        """End it properly, as if nothing were missing."""
        await self._client.send(h11.EndOfMessage())

    async def end_within_a_chunk(self) -> NoReturn:
        """Promise more bytes than come, and close the connection."""
        await self._client.send_raw(b"400\r\n{")
        raise ConnectionOver

    def reset(self) -> NoReturn:
        """Reset the connection."""
        self._client.reset()
        raise ConnectionOver

    # The answer itself

    async def _begin(self, head: h11.Response) -> None:
        headers = end_to_end(head.headers)
        for name, value in headers:
            if name == b"content-type":
                self._media_type = value.partition(b";")[0].strip().decode("latin-1").lower()
        self._has_body = self._has_body and head.status_code not in (204, 304)
        if self._breaking() is not None:
            # An answer that will lack something cannot promise its length.
            headers = [(name, value) for name, value in headers if name not in _FRAMING]
            headers.append((b"transfer-encoding", b"chunked"))
        await self._client.send(
            h11.Response(status_code=head.status_code, reason=head.reason, headers=headers)
        )

    def _breaking(self) -> tuple[Fault, FaultSetting] | None:
        """Find the first fault that breaks it and has not done so."""
        for fault, setting in self._encounter.hits():
            if self._has_body and fault.on_answer is not None and fault.name not in self._met:
                return fault, setting
        return None

    async def _break(self, fault: Fault, setting: FaultSetting) -> bool:
        """Let a fault break it; returns whether the rest is passed on."""
        self._met.add(fault.name)
        return fault.on_answer is None or await fault.on_answer(self, setting)

    async def _split(self, fault: Fault, whole: bytes) -> bytes:
        """Pass on the first half of an answer that is but one chunk, so that it has begun."""
        if fault.speaks:
            return whole
        await self._pass(whole[: len(whole) // 2])
        return whole[len(whole) // 2 :]

    async def _pass(self, data: bytes) -> None:
        for fault, setting in self._encounter.hits():
            if fault.on_piece is not None:
                await fault.on_piece(self, setting, data)
                return
        await self.say(data)
