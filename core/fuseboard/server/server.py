"""Serving an ASGI application on the running loop, on a socket that is bound already."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING

import uvicorn

from fuseboard.server.limits import ConnectionLimits, limited_protocol
from fuseboard.server.sockets import WAITING, url_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_LONGEST_HEAD = 16 * 1024  # bytes
_POLL = 0.005  # seconds between looks at whether uvicorn has started; it has no event for it


class HttpServer:
    """One application on one socket. Belongs to the loop that started it.

    Args:
        app: The application.
        listener: A bound socket.
        limits: What its clients may hold; without them, whatever they like.
    """

    def __init__(
        self, app: ASGIApp, listener: socket.socket, limits: ConnectionLimits | None = None
    ) -> None:
        self.url = url_of(listener)
        self._listener = listener
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=limited_protocol(limits) if limits else "h11",
                h11_max_incomplete_event_size=_LONGEST_HEAD,
                backlog=limits.accepted_at_once if limits else WAITING,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=0,
            )
        )
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start serving; returns when connections are answered."""
        # uvicorn logs to its own loggers, at levels that are meant for its own command line.
        logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._listener]))
        while not self._server.started:
            if self._serving.done():
                await self._serving
            await asyncio.sleep(_POLL)
        # uvicorn's backlog is both what asyncio accepts at once and what may wait for that.
        self._listener.listen(WAITING)

    async def stop(self) -> None:
        """Stop serving, within a fraction of a second, and drop what is still under way."""
        if self._serving is None:
            self._listener.close()
            return
        self._server.should_exit = True
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()
        await self._serving
        self._serving = None
