"""A client's connection to the fault proxy."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import NoReturn

import h11

_READ_SIZE = 65536
_MAX_PIPELINED_BYTES = 1024 * 1024  # sent by a client before its response is complete


class ConnectionEnded(Exception):  # noqa: N818 (no error: every connection ends with it)
    """The client's connection has ended, or must be closed."""


class ClientConnection:
    """The server side of a client's HTTP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER)
        self._busy = False
        self._closing = False

    @property
    def is_finished(self) -> bool:
        """Whether no further request can be received."""
        return self._closing or self._http.our_state is not h11.IDLE

    async def next_request(self) -> h11.Request:
        """Return the head of the next request; raise `ConnectionEnded` if there is none."""
        event = await self.next_event()
        if not isinstance(event, h11.Request):
            raise ConnectionEnded
        self._busy = True
        return event

    async def next_event(self) -> h11.Event:
        """Return the next event of a request; raise `ConnectionEnded` if there is none."""
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                if self._http.they_are_waiting_for_100_continue:
                    await self.send(h11.InformationalResponse(status_code=100, headers=[]))
                await self._read()
            elif isinstance(event, h11.Event) and not isinstance(event, h11.ConnectionClosed):
                return event
            else:
                raise ConnectionEnded

    async def wait_for_disconnect(self) -> NoReturn:
        """Wait until the client closes the connection, and raise `ConnectionEnded`.

        Raised as well when the client sends too much beyond its request.
        """
        pipelined = 0
        while pipelined < _MAX_PIPELINED_BYTES:
            pipelined += await self._read()
        raise ConnectionEnded

    async def send(
        self, event: h11.InformationalResponse | h11.Response | h11.Data | h11.EndOfMessage
    ) -> None:
        """Send the head, a chunk or the end of a response."""
        data = self._http.send(event)
        if data:
            self._writer.write(data)
            await self._writer.drain()

    async def send_raw(self, data: bytes) -> None:
        """Send bytes without framing; the connection must be closed afterwards."""
        self._writer.write(data)
        await self._writer.drain()

    def finish_exchange(self) -> None:
        """Prepare for the next request, if the connection stays open."""
        self._busy = False
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()

    def close_when_idle(self) -> None:
        """Close the connection: now, or after the exchange in progress."""
        self._closing = True
        if not self._busy:
            self.close()

    def close(self) -> None:
        """Close the connection normally."""
        self._writer.close()

    def reset(self) -> None:
        """Close the connection with a TCP reset."""
        if not self._writer.is_closing():
            raw: socket.socket = self._writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def _read(self) -> int:
        data = await self._reader.read(_READ_SIZE)
        if not data:
            raise ConnectionEnded
        self._http.receive_data(data)
        return len(data)
