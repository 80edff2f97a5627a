"""A client's connection to the fault proxy."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import NoReturn

import h11

_READ_SIZE = 65536
_MOST_AHEAD = 1024 * 1024  # bytes that a client may send before it has its answer


class ConnectionOver(Exception):  # noqa: N818 (no error: how every connection ends)
    """Nothing more will come on this connection."""


class ClientConnection:
    """Speaks HTTP with one client, request by request."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER)
        self._busy = False
        self._closing = False

    @property
    def is_over(self) -> bool:
        """Whether no further request can be taken."""
        return self._closing or self._http.our_state is not h11.IDLE

    async def next_request(self) -> h11.Request:
        """Wait for the head of a request; raises `ConnectionOver`."""
        event = await self.next_event()
        if not isinstance(event, h11.Request):
            raise ConnectionOver
        self._busy = True
        return event

    async def next_event(self) -> h11.Event:
        """Wait for the next part of a request; raises `ConnectionOver`."""
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                if self._http.they_are_waiting_for_100_continue:
                    await self.send(h11.InformationalResponse(status_code=100, headers=[]))
                await self._read()
            elif isinstance(event, h11.Event) and not isinstance(event, h11.ConnectionClosed):
                return event
            else:
                raise ConnectionOver

    async def leaves(self) -> NoReturn:
        """Wait until the client closes the connection; raises `ConnectionOver` then."""
        ahead = 0
        while ahead < _MOST_AHEAD:
            ahead += await self._read()
        raise ConnectionOver

    async def send(
        self, event: h11.InformationalResponse | h11.Response | h11.Data | h11.EndOfMessage
    ) -> None:
        """Send a part of the answer."""
        data = self._http.send(event)
        if data:
            self._writer.write(data)
            await self._writer.drain()

    async def send_raw(self, data: bytes) -> None:
        """Send bytes as they are; nothing but a close can follow."""
        self._writer.write(data)
        await self._writer.drain()

    def finish_exchange(self) -> None:
        """Make ready for the next request, if there can be one."""
        self._busy = False
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()

    def close_when_idle(self) -> None:
        """Close it now, or after the exchange that is under way."""
        self._closing = True
        if not self._busy:
            self.close()

    def close(self) -> None:
        """Close it properly."""
        self._writer.close()

    def reset(self) -> None:
        """Close it with a TCP reset."""
        if not self._writer.is_closing():
            raw: socket.socket = self._writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def _read(self) -> int:
        data = await self._reader.read(_READ_SIZE)
        if not data:
            raise ConnectionOver
        self._http.receive_data(data)
        return len(data)
