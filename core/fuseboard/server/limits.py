"""Limits on the number and the lifetime of a server's connections.

They keep a client that stalls, or that sends one header line a second, from
blocking other clients or staying forever.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field
from math import inf
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

_MIN_SHARE, _MAX_SHARE = 8, 1024
_OTHER_DESCRIPTORS = 48  # files, the endpoint and its clients, the loop


@dataclass
class ConnectionLimiter:
    """The limits of one server, and its connections. Belongs to one event loop."""

    max_connections: int = 32
    """Beyond it, the connection that is without a request for longest is dropped."""
    lifetime: float = 10.0
    """Seconds after which a connection is dropped, whatever happens on it; infinity for never."""
    request_seconds: float = 10.0
    """Seconds within which a request must have arrived whole, or its connection is dropped."""
    connections: dict[asyncio.BaseTransport, asyncio.TimerHandle | None] = field(
        default_factory=dict
    )
    """The open connections, the longest idle first, with the timer that drops each."""
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
        timer = None
        if self.lifetime < inf:
            timer = asyncio.get_running_loop().call_later(self.lifetime, transport.abort)
        self.connections[transport] = timer
        if len(self.connections) > self.max_connections:
            # If all others have a request in progress, it is the new one.
            stalled = next(each for each in self.connections if each not in self.responding)
            self.remove(stalled)
            if isinstance(stalled, asyncio.Transport):
                stalled.abort()

    def finish(self, transport: asyncio.BaseTransport) -> None:
        """Record that the request in progress was responded to."""
        self.responding.discard(transport)
        if transport in self.connections:
            # Those that never sent a request are dropped before it.
            self.connections[transport] = self.connections.pop(transport)

    def remove(self, transport: asyncio.BaseTransport) -> None:
        """Remove a connection that has ended; do nothing if it is not there."""
        self.responding.discard(transport)
        timer = self.connections.pop(transport, None)
        if timer is not None:
            timer.cancel()


def long_lived_limiter() -> ConnectionLimiter:
    """Return a limiter for a server whose responses may take any time."""
    return ConnectionLimiter(connection_share(3), lifetime=inf, request_seconds=30.0)


def connection_share(descriptors_each: int) -> int:
    """Return how many connections one server of several in this process may have.

    Args:
        descriptors_each: How many file descriptors a connection takes.
    """
    if sys.platform == "win32":
        return _MAX_SHARE
    import resource  # not on Windows

    soft_limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft_limit == resource.RLIM_INFINITY:
        return _MAX_SHARE
    share = (soft_limit - _OTHER_DESCRIPTORS) // descriptors_each
    return max(_MIN_SHARE, min(share, _MAX_SHARE))


def limited_protocol(limiter: ConnectionLimiter) -> type[asyncio.Protocol]:
    """Return uvicorn's HTTP protocol with `limiter` applied to its connections."""

    class LimitedProtocol(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            self._limited = transport
            self._request_timer: asyncio.TimerHandle | None = None
            limiter.add(transport)
            self._await_request()
            super().connection_made(transport)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.cycle is not None and not self.cycle.more_body:
                self._stop_timer()
            has_request = self.cycle is not None and not self.cycle.response_complete
            if has_request and self._limited in limiter.connections:
                limiter.responding.add(self._limited)

        def on_response_complete(self) -> None:
            # A client that does not read its response stalls again.
            limiter.finish(self._limited)
            self._await_request()
            super().on_response_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_timer()
            limiter.remove(self._limited)
            super().connection_lost(exc)

        def _await_request(self) -> None:
            self._stop_timer()
            loop = asyncio.get_running_loop()
            self._request_timer = loop.call_later(limiter.request_seconds, self._limited.abort)

        def _stop_timer(self) -> None:
            if self._request_timer is not None:
                self._request_timer.cancel()
                self._request_timer = None

    protocol: Any = LimitedProtocol
    return protocol  # type: ignore[no-any-return]
