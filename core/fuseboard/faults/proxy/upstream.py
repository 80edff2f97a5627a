"""The server that the fault proxy forwards to, and a connection to it."""

from __future__ import annotations

import asyncio
import errno
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

import h11

_READ_SIZE = 65536
_IDLE_SECONDS = 2.0
"""How long an idle connection is reused: less than servers keep it open (uvicorn: 5 s)."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """The address of the server."""

    host: str
    port: int
    tls: bool
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
            tls=tls,
            path=parts.path.rstrip("/"),
        )

    async def is_refusing(self) -> bool:
        """Return whether a new connection is refused; other errors are left to the exchanges."""
        try:
            _, writer = await self.connect()
        except OSError as error:
            return isinstance(error, ConnectionRefusedError)
        writer.close()
        return False

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection.

        Raises:
            ConnectionRefusedError: If every address of the host refuses.
            OSError: If it fails otherwise.
        """
        tls = ssl.create_default_context() if self.tls else None
        try:
            return await asyncio.open_connection(self.host, self.port, ssl=tls)
        except OSError as error:
            # For a host with several addresses (localhost has two) asyncio raises a plain
            # OSError, whose message alone names the errors.
            if f"[Errno {errno.ECONNREFUSED}]" in str(error):
                raise ConnectionRefusedError(errno.ECONNREFUSED, str(error)) from error
            raise

    @property
    def host_header(self) -> bytes:
        """The value of the `Host` header; the default port is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        is_default_port = self.port == (443 if self.tls else 80)
        return (host if is_default_port else f"{host}:{self.port}").encode("ascii")


class UpstreamConnection:
    """A persistent connection to the server, used for one exchange after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.CLIENT)
        self._idle_since = asyncio.get_running_loop().time()

    @classmethod
    async def open(cls, upstream: Upstream) -> UpstreamConnection:
        """Open a connection; raise `OSError` if that fails."""
        return cls(*await upstream.connect())

    def is_reusable(self) -> bool:
        """Return whether another exchange can use it."""
        idle = asyncio.get_running_loop().time() - self._idle_since
        return (
            self._http.our_state is h11.IDLE
            and not self._reader.at_eof()
            and not self._writer.is_closing()
            and idle < _IDLE_SECONDS
        )

    async def send(self, event: h11.Request | h11.Data | h11.EndOfMessage) -> None:
        """Send the head, a chunk or the end of a request."""
        data = self._http.send(event)
        if data:
            self._writer.write(data)
            await self._writer.drain()

    async def receive(self) -> h11.Event | None:
        """Return the next event of the response; `None` if the server closed the connection early.

        Raises:
            h11.RemoteProtocolError: If the response is not valid HTTP.
            OSError: If the connection fails.
        """
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
        self._http.start_next_cycle()
        self._idle_since = asyncio.get_running_loop().time()
        return True

    def close(self) -> None:
        """Close the connection at once."""
        self._writer.transport.abort()
