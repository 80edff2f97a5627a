"""Limits on the number and the lifetime of a server's connections.

They keep a client that stalls, or that sends one header line a second, from
blocking other clients or staying forever.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


@dataclass
class ConnectionLimiter:
    """The limits of one server, and its connections. Belongs to one event loop."""

    max_connections: int = 32
    """Beyond it, the oldest connection without a request in progress is dropped."""
    lifetime: float = 10.0
    """Seconds after which a connection is dropped, whatever happens on it."""
    connections: dict[asyncio.BaseTransport, asyncio.TimerHandle] = field(default_factory=dict)
    """The open connections, oldest first, with the timer that drops each."""
    responding: set[asyncio.BaseTransport] = field(default_factory=set)
    """The connections with a request in progress: received, but not fully responded to."""

    @property
    def accept_batch(self) -> int:
        """How many connections asyncio may accept in one iteration of its loop.

        The first bytes of a connection are read one iteration after it was
        accepted. Two iterations together must not exceed `max_connections`, or
        a burst of connections drops a request that has arrived but was not
        read. Larger batches could also use up the file descriptors.
        """
        return self.max_connections // 2

    def add(self, transport: asyncio.Transport) -> None:
        """Add a connection; drop one if there are too many."""
        timer = asyncio.get_running_loop().call_later(self.lifetime, transport.abort)
        self.connections[transport] = timer
        if len(self.connections) > self.max_connections:
            # If all others have a request in progress, it is the new one.
            stalled = next(each for each in self.connections if each not in self.responding)
            self.remove(stalled)
            if isinstance(stalled, asyncio.Transport):
                stalled.abort()

    def remove(self, transport: asyncio.BaseTransport) -> None:
        """Remove a connection that has ended; do nothing if it is not there."""
        self.responding.discard(transport)
        timer = self.connections.pop(transport, None)
        if timer is not None:
            timer.cancel()


def limited_protocol(limiter: ConnectionLimiter) -> type[asyncio.Protocol]:
    """Return uvicorn's HTTP protocol with `limiter` applied to its connections."""

    class LimitedProtocol(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            self._limited = transport
            limiter.add(transport)
            super().connection_made(transport)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            has_request = self.cycle is not None and not self.cycle.response_complete
            if has_request and self._limited in limiter.connections:
                limiter.responding.add(self._limited)

        def on_response_complete(self) -> None:
            # A client that does not read its response stalls again.
            limiter.responding.discard(self._limited)
            super().on_response_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            limiter.remove(self._limited)
            super().connection_lost(exc)

    protocol: Any = LimitedProtocol
    return protocol  # type: ignore[no-any-return]
