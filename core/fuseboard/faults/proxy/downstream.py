"""A client's connection to the fault proxy."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NoReturn

import h11

_READ_SIZE = 65536
_MAX_HEAD_BYTES = 16 * 1024
_MAX_PIPELINED_BYTES = 64 * 1024
"""What is read of a client's next request before its response is complete."""

_IDLE_SECONDS = 300.0
"""How long a client may be connected without a request; most close their connections sooner."""
_HEAD_SECONDS = 10.0
"""How long the head of a request may take, from its first byte."""
_BODY_SECONDS = 30.0
"""How long the body of a request may take, besides a second for each `_MIN_BODY_RATE` bytes."""
_MIN_BODY_RATE = 1024  # bytes a second
_SEND_SECONDS = 60.0
"""How long a client may leave what it was sent unread."""
_LINGER_SECONDS = 1.0
"""How long a refused client may go on sending; closing at once would discard the refusal."""

Sent = h11.InformationalResponse | h11.Response | h11.Data | h11.EndOfMessage


class ConnectionEnded(Exception):  # noqa: N818 (no error: every connection ends with it)
    """The client's connection has ended, or must be closed."""


class RequestRefused(Exception):  # noqa: N818 (no error of the proxy's)
    """A request must be refused, and the connection closed; the message says why.

    Args:
        status: The status to respond with.
        reason: What is wrong with the request.
        headers: Further headers of the response.
    """

    def __init__(self, status: int, reason: str, headers: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = headers


class ClientConnection:
    """The server side of a client's HTTP connection.

    Args:
        reader: Reads from the client.
        writer: Writes to the client.
        do_others_wait: Returns whether other clients wait for the place of this one; it
            then gets one response, which says so.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        do_others_wait: Callable[[], bool],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._do_others_wait = do_others_wait
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD_BYTES)
        self._loop = asyncio.get_running_loop()
        self._body_seconds = _BODY_SECONDS
        self._closing = False
        self.times_idle = 0
        """How often it was found without a request, since the last one."""
        self.is_busy = False
        """Whether a request has come whose response is not complete."""

    @property
    def is_finished(self) -> bool:
        """Whether no further request can be received."""
        return self._closing or self._http.our_state is not h11.IDLE

    async def next_request(self) -> h11.Request:
        """Return the head of the next request.

        Raises:
            ConnectionEnded: If there is none.
            RequestRefused: If it is malformed, too large or too slow.
        """
        event = self._parse()
        if event is None and not self._http.trailing_data[0]:
            try:
                async with asyncio.timeout(_IDLE_SECONDS):
                    await self._read()
            except TimeoutError:
                raise ConnectionEnded from None
        try:
            async with asyncio.timeout(_HEAD_SECONDS):
                event = event or await self._next_event()
        except TimeoutError:
            raise RequestRefused(408, f"no whole head within {_HEAD_SECONDS:g} s") from None
        if not isinstance(event, h11.Request):
            raise ConnectionEnded
        self._check_head(event)
        self.is_busy = True
        self.times_idle = 0
        self._body_seconds = _BODY_SECONDS
        return event

    async def next_body_event(self) -> h11.Data | h11.EndOfMessage:
        """Return the next part of a request's body, or its end.

        Raises:
            ConnectionEnded: If the client disconnects.
            RequestRefused: If the body is malformed or too slow.
        """
        began = self._loop.time()
        try:
            async with asyncio.timeout(self._body_seconds):
                event = await self._next_event()
        except TimeoutError:
            raise RequestRefused(408, "the body comes too slowly") from None
        # Only the time that is spent waiting for the client counts.
        self._body_seconds -= self._loop.time() - began
        if isinstance(event, h11.Data):
            self._body_seconds += len(event.data) / _MIN_BODY_RATE
        elif not isinstance(event, h11.EndOfMessage):
            raise ConnectionEnded
        return event

    async def wait_for_disconnect(self) -> NoReturn:
        """Wait until the client closes the connection, and raise `ConnectionEnded`.

        What it sends beyond its request is read up to a limit only; after that
        its disconnecting shows in what is sent to it.
        """
        pipelined = 0
        while pipelined < _MAX_PIPELINED_BYTES:
            pipelined += await self._read()
        await self._loop.create_future()
        raise ConnectionEnded

    async def send(self, event: Sent) -> None:
        """Send the head, a chunk or the end of a response.

        Raises:
            ConnectionEnded: If the client does not read.
            OSError: If it has disconnected.
        """
        if isinstance(event, h11.Response) and (self._closing or self._do_others_wait()):
            headers = [*event.headers, (b"connection", b"close")]
            event = h11.Response(
                status_code=event.status_code, reason=event.reason, headers=headers
            )
        data = self._http.send(event)
        if data:
            await self.send_raw(data)

    async def send_raw(self, data: bytes) -> None:
        """Send bytes without framing; the connection must be closed afterwards."""
        self._writer.write(data)
        if not self._writer.transport.get_write_buffer_size():
            await self._writer.drain()
            return
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                await self._writer.drain()
        except TimeoutError:
            self.reset()
            raise ConnectionEnded from None

    async def refuse(self, status: int, body: bytes, headers: Sequence[tuple[str, str]]) -> None:
        """Send a response to a request that was not read to its end, and read on for a while.

        Does nothing if a response has begun already.
        """
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        headers = [
            ("Content-Type", "application/json; charset=utf-8"),
            ("Content-Length", str(len(body))),
            *headers,
        ]
        self._closing = True
        await self.send(h11.Response(status_code=status, headers=headers))
        await self.send(h11.Data(data=body))
        await self.send(h11.EndOfMessage())
        self._writer.write_eof()
        self.is_busy = False
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                while await self._reader.read(_READ_SIZE):
                    pass

    def finish_exchange(self) -> None:
        """Prepare for the next request, if the connection stays open."""
        self.is_busy = False
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()

    def close_when_idle(self) -> None:
        """Close the connection: now, or after the exchange in progress."""
        self._closing = True  # which the response announces, unless it has begun
        if not self.is_busy:
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

    async def _next_event(self) -> h11.Event:
        while True:
            event = self._parse()
            if event is not None:
                return event
            if self._http.they_are_waiting_for_100_continue:
                await self.send(h11.InformationalResponse(status_code=100, headers=[]))
            await self._read()

    def _parse(self) -> h11.Event | None:
        """Return the next event in what has been read; `None` if there is none."""
        try:
            event = self._http.next_event()
        except h11.RemoteProtocolError as error:
            raise RequestRefused(error.error_status_hint, f"malformed request: {error}") from error
        if event is h11.NEED_DATA:
            return None
        if isinstance(event, h11.Event) and not isinstance(event, h11.ConnectionClosed):
            return event
        raise ConnectionEnded

    def _check_head(self, head: h11.Request) -> None:
        # h11 limits a head that comes in pieces only.
        size = len(head.target) + sum(len(name) + len(value) + 4 for name, value in head.headers)
        if size > _MAX_HEAD_BYTES:
            raise RequestRefused(431, f"the head has more than {_MAX_HEAD_BYTES} bytes")
        names = {name for name, _ in head.headers}
        if {b"content-length", b"transfer-encoding"} <= names:
            self._closing = True  # RFC 9112, section 6.1: whoever sent both may mean two requests

    async def _read(self) -> int:
        data = await self._reader.read(_READ_SIZE)
        if not data:
            raise ConnectionEnded
        self._http.receive_data(data)
        return len(data)
