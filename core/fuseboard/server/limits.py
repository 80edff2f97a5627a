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
    """How many there may be; one more, and the oldest that is not being answered is dropped."""
    seconds: float = 10.0
    """How long each may last, from when it was accepted, whatever happens on it."""
    open_now: dict[asyncio.BaseTransport, asyncio.TimerHandle] = field(default_factory=dict)
    """The connections there are, the oldest first, with what will end them."""
    answering: set[asyncio.BaseTransport] = field(default_factory=set)
    """Those whose request has come and whose answer has not gone out yet."""

    @property
    def accepted_at_once(self) -> int:
        """How many connections asyncio may accept in one turn of its loop.

        A connection's first bytes are read one turn after it was let in. Two turns
        together must not fill the house, or a crowd drops a request that is there
        but has not been read; a longer turn would also use up the open files.
        """
        return self.connections // 2

    def admit(self, transport: asyncio.Transport) -> None:
        """Let a connection in."""
        deadline = asyncio.get_running_loop().call_later(self.seconds, transport.abort)
        self.open_now[transport] = deadline
        if len(self.open_now) > self.connections:
            # The new one is among them: while all others are being answered, it is the one.
            stalled = next(held for held in self.open_now if held not in self.answering)
            self.release(stalled)
            if isinstance(stalled, asyncio.Transport):
                stalled.abort()

    def release(self, transport: asyncio.BaseTransport) -> None:
        """Forget a connection that has ended."""
        self.answering.discard(transport)
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

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            has_request = self.cycle is not None and not self.cycle.response_complete
            if has_request and self._limited in limits.open_now:
                limits.answering.add(self._limited)

        def on_response_complete(self) -> None:
            # Whoever does not read its answer stalls again.
            limits.answering.discard(self._limited)
            super().on_response_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            limits.release(self._limited)
            super().connection_lost(exc)

    protocol: Any = LimitedProtocol
    return protocol  # type: ignore[no-any-return]
