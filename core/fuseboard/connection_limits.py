"""Limits on what a server's clients may hold: how many connections, and for how long.

A client that stalls, or that drips one header line a second, must not keep
others out nor stay for ever.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


@dataclass
class ConnectionLimits:
    """What the connections to one server may do; belongs to one event loop."""

    connections: int = 32
    """How many there may be; one more, and the oldest is dropped."""
    seconds: float = 10.0
    """How long each may last, from when it was accepted, whatever happens on it."""
    open_now: dict[asyncio.BaseTransport, asyncio.TimerHandle] = field(default_factory=dict)
    """The connections there are, the oldest first, with what will end them."""

    def admit(self, transport: asyncio.Transport) -> None:
        """Let a connection in."""
        deadline = asyncio.get_running_loop().call_later(self.seconds, transport.abort)
        self.open_now[transport] = deadline
        if len(self.open_now) > self.connections:
            # Whoever is served is gone within milliseconds: the oldest is one that stalls.
            oldest = next(iter(self.open_now))
            self.release(oldest)
            if isinstance(oldest, asyncio.Transport):
                oldest.abort()

    def release(self, transport: asyncio.BaseTransport) -> None:
        """Forget a connection that has ended."""
        deadline = self.open_now.pop(transport, None)
        if deadline is not None:
            deadline.cancel()


def limited_protocol(limits: ConnectionLimits) -> type[asyncio.Protocol]:
    """Make the protocol of uvicorn's that keeps to these limits."""

    class LimitedProtocol(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            self._limited = transport
            limits.admit(transport)
            super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            limits.release(self._limited)
            super().connection_lost(exc)

    protocol: Any = LimitedProtocol
    return protocol  # type: ignore[no-any-return]
