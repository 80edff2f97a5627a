"""An HTTP server for an ASGI application, on the running loop and a bound socket."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING

import uvicorn

from fuseboard.server.limits import ConnectionLimiter, limited_protocol
from fuseboard.server.sockets import BACKLOG, url_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_MAX_HEAD_BYTES = 16 * 1024
_START_POLL_INTERVAL = 0.005  # seconds; uvicorn has no event for having started


class HttpServer:
    """Serve one application on one socket. Belongs to the event loop that started it.

    Args:
        app: The application.
        listener: A bound socket.
        limiter: Limits its connections; `None` for no limits.
    """

    def __init__(
        self, app: ASGIApp, listener: socket.socket, limiter: ConnectionLimiter | None = None
    ) -> None:
        self.url = url_of(listener)
        self._listener = listener
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=limited_protocol(limiter) if limiter else "h11",
                h11_max_incomplete_event_size=_MAX_HEAD_BYTES,
                backlog=limiter.accept_batch if limiter else BACKLOG,
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
        """Start serving; return once connections are served."""
        # The levels of uvicorn's own loggers are meant for its command line.
        logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._listener]))
        while not self._server.started:
            if self._serving.done():
                await self._serving
            await asyncio.sleep(_START_POLL_INTERVAL)
        # uvicorn's `backlog` is the batch of asyncio and the backlog of the socket alike.
        self._listener.listen(BACKLOG)

    async def stop(self) -> None:
        """Stop serving within a fraction of a second; drop the open connections."""
        if self._serving is None:
            self._listener.close()
            return
        self._server.should_exit = True
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()
        await self._serving
        self._serving = None
