"""The server that the fault proxy forwards to, and a connection to it."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import h11

_READ_SIZE = 65536
_MAX_HEAD_BYTES = 65536
_CONNECT_SECONDS = 10.0
_IDLE_SECONDS = 2.0
"""How long an idle connection is reused: less than servers keep it open (uvicorn: 5 s)."""
_LACKING = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.EADDRNOTAVAIL}
"""Errors of a connect that tell of this process or machine, not of the server."""

NOT_HTTP = "it sends what is not HTTP"


class UpstreamError(Exception):
    """The server cannot be used; the message has the reason.

    Args:
        problem: What is wrong with it.
        status: The status to respond with.
    """

    def __init__(self, problem: str, status: int = 502) -> None:
        super().__init__(problem)
        self.status = status


@dataclass(frozen=True, slots=True)
class Upstream:
    """The address of the server."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    """One context for every connection: making one reads all the certificates."""
    path: str
    """The prefix of every request's path; empty or `/a/b`."""

    @classmethod
    def from_url(cls, url: str) -> Upstream:
        """Return the address that a URL names."""
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        return cls(
            host=parts.hostname or "127.0.0.1",
            port=parts.port or (443 if tls else 80),
            tls=ssl.create_default_context() if tls else None,
            path=parts.path.rstrip("/"),
        )

    async def is_refusing(self) -> bool:
        """Return whether a new connection is refused; other errors are left to the exchanges."""
        try:
            connection = await UpstreamConnection.open(self)
        except ConnectionRefusedError:
            return True
        except UpstreamError:
            return False
        connection.close()
        return False

    @property
    def host_header(self) -> bytes:
        """The value of the `Host` header; the default port is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        is_default_port = self.port == (443 if self.tls else 80)
        return (host if is_default_port else f"{host}:{self.port}").encode("ascii")


class _CountingReader(asyncio.StreamReader):
    """A reader that knows how much of what has come is unread."""

    unread = 0

    def feed_data(self, data: Any) -> None:
        self.unread += len(data)
        super().feed_data(data)

    async def read(self, n: int = -1) -> bytes:
        data = await super().read(n)
        self.unread -= len(data)
        return data


class UpstreamConnection:
    """A persistent connection to the server, used for one exchange after the other."""

    def __init__(self, reader: _CountingReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD_BYTES)
        self._idle_since = asyncio.get_running_loop().time()

    @classmethod
    async def open(cls, upstream: Upstream) -> UpstreamConnection:
        """Open a connection.

        Raises:
            ConnectionRefusedError: If every address of the host refuses.
            UpstreamError: If it fails otherwise.
        """
        loop = asyncio.get_running_loop()
        reader = _CountingReader(loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                transport, _ = await loop.create_connection(
                    lambda: protocol, upstream.host, upstream.port, ssl=upstream.tls
                )
        except TimeoutError:
            raise UpstreamError(f"no connection within {_CONNECT_SECONDS:g} s", 504) from None
        except OSError as error:
            if _is_refused(error):
                raise ConnectionRefusedError(errno.ECONNREFUSED, str(error)) from error
            raise UpstreamError(_connect_problem(error, upstream)) from error
        return cls(reader, asyncio.StreamWriter(transport, protocol, reader, loop))

    def is_reusable(self) -> bool:
        """Return whether another exchange can use it.

        A server that has sent anything since its response would have it read as
        the response to the next request.
        """
        idle = asyncio.get_running_loop().time() - self._idle_since
        return (
            self._http.our_state is h11.IDLE
            and not self._reader.unread
            and not self._http.trailing_data[0]
            and not self._reader.at_eof()
            and not self._writer.is_closing()
            and idle < _IDLE_SECONDS
        )

    def is_silent(self) -> bool:
        """Return whether nothing of the present response has come."""
        return self._http.their_state is h11.SEND_RESPONSE and not self._http.trailing_data[0]

    async def send(self, event: h11.Request | h11.Data | h11.EndOfMessage) -> None:
        """Send the head, a chunk or the end of a request."""
        data = self._http.send(event)
        if data:
            self._writer.write(data)
            await self._writer.drain()

    async def receive(self) -> h11.Event | None:
        """Return the next event of the response; `None` if the server closed the connection early.

        Raises:
            UpstreamError: If the response is not valid HTTP.
            OSError: If the connection fails.
        """
        try:
            return await self._receive()
        except h11.RemoteProtocolError as error:
            raise UpstreamError(f"{NOT_HTTP}: {error}") from error

    async def _receive(self) -> h11.Event | None:
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                data = await self._reader.read(_READ_SIZE)
                if not data and self._http.their_state is not h11.SEND_BODY:
                    return None
                self._http.receive_data(data)
            elif not isinstance(event, h11.Event) or isinstance(event, h11.ConnectionClosed):
                return None
            elif not isinstance(event, h11.InformationalResponse):
                return event

    def finish(self) -> bool:
        """End an exchange; return whether the connection can be reused."""
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        if self._http.trailing_data[0] or self._reader.unread:
            return False
        self._http.start_next_cycle()
        self._idle_since = asyncio.get_running_loop().time()
        return True

    def close(self) -> None:
        """Close the connection at once."""
        self._writer.transport.abort()


def _is_refused(error: OSError) -> bool:
    # For a host with several addresses (localhost has two) asyncio raises a plain
    # OSError, whose message alone names the errors.
    if error.errno is None:
        return f"[Errno {errno.ECONNREFUSED}]" in str(error)
    return isinstance(error, ConnectionRefusedError)


def _connect_problem(error: OSError, upstream: Upstream) -> str:
    match error:
        case socket.gaierror():
            return f"there is no host called {upstream.host}"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted: {error.verify_message}"
        case ssl.SSLError():
            return f"it does not speak TLS: {error.reason or 'handshake failed'}"
        case OSError(errno=number) if number in _LACKING:
            return f"this machine lacks what a connection takes: {error.strerror}"
        case _:
            return f"it cannot be connected to: {error.strerror or error}"
