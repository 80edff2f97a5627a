"""The server behind the fault proxy, and a connection to it."""

from __future__ import annotations

import asyncio
import errno
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

import h11

_READ_SIZE = 65536
_IDLE_SECONDS = 2.0
"""How long an idle connection is used again: less than any server keeps it (uvicorn: 5 s)."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where the server is."""

    host: str
    port: int
    tls: bool
    path: str
    """What goes before every request's path; empty or `/so/on`."""

    @classmethod
    def at(cls, url: str) -> Upstream:
        """Read it from a URL."""
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        return cls(
            host=parts.hostname or "127.0.0.1",
            port=parts.port or (443 if tls else 80),
            tls=tls,
            path=parts.path.rstrip("/"),
        )

    async def refuses(self) -> bool:
        """Try whether it refuses connections; any other trouble is for an exchange to meet."""
        try:
            _, writer = await self.connect()
        except OSError as error:
            return isinstance(error, ConnectionRefusedError)
        writer.close()
        return False

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect; raises `OSError`, and `ConnectionRefusedError` if every address refuses."""
        tls = ssl.create_default_context() if self.tls else None
        try:
            return await asyncio.open_connection(self.host, self.port, ssl=tls)
        except OSError as error:
            # Of several addresses (localhost has two) asyncio says only in words what failed.
            if f"[Errno {errno.ECONNREFUSED}]" in str(error):
                raise ConnectionRefusedError(errno.ECONNREFUSED, str(error)) from error
            raise

    @property
    def host_header(self) -> bytes:
        """How the server wants to be called."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = self.port == (443 if self.tls else 80)
        return (host if usual else f"{host}:{self.port}").encode("ascii")


class UpstreamConnection:
    """One connection to the server; used for one exchange after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.CLIENT)
        self._idle_since = asyncio.get_running_loop().time()

    @classmethod
    async def open(cls, upstream: Upstream) -> UpstreamConnection:
        """Connect; raises `OSError` if that fails."""
        return cls(*await upstream.connect())

    def is_fresh(self) -> bool:
        """Say whether another exchange can go over it."""
        idle = asyncio.get_running_loop().time() - self._idle_since
        return (
            self._http.our_state is h11.IDLE
            and not self._reader.at_eof()
            and not self._writer.is_closing()
            and idle < _IDLE_SECONDS
        )

    async def send(self, event: h11.Request | h11.Data | h11.EndOfMessage) -> None:
        """Send a part of a request."""
        data = self._http.send(event)
        if data:
            self._writer.write(data)
            await self._writer.drain()

    async def receive(self) -> h11.Event | None:
        """Receive the next part of the answer; `None` if the server closed before it was whole.

        Raises:
            h11.RemoteProtocolError: If what comes is not HTTP.
            OSError: If the connection breaks.
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
        """End an exchange; returns whether the connection can be used again."""
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        self._idle_since = asyncio.get_running_loop().time()
        return True

    def close(self) -> None:
        """Close it at once."""
        self._writer.transport.abort()
