"""A small HTTP proxy in front of one server, on whose wire the faults are made."""

from __future__ import annotations

import asyncio
import logging
import socket

import h11

from fuseboard.faults.board import FaultBoard
from fuseboard.faults.downstream import ClientConnection, ConnectionOver
from fuseboard.faults.exchange import Exchange
from fuseboard.faults.upstream import Upstream, UpstreamConnection
from fuseboard.listening import ListenError, bind, url_of

_PORT_SLICE = 0.05  # seconds between looks at whether a port should be open or closed

_logger = logging.getLogger(__name__)


class FaultProxy:
    """Passes requests on to `upstream_url`, and breaks what the board says.

    Belongs to the loop that started it.

    Args:
        listener: The bound socket to listen on.
        upstream_url: The server behind it; a path in it goes before every path.
        board: Which faults are on.
    """

    def __init__(self, listener: socket.socket, upstream_url: str, board: FaultBoard) -> None:
        self.url = url_of(listener)
        self._listener = listener
        self._host, self._port = listener.getsockname()[:2]
        self._upstream = Upstream.at(upstream_url)
        self._board = board
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], ClientConnection] = {}
        self._port_keeper: asyncio.Task[None] | None = None
        self._upstream_refuses = asyncio.Event()

    async def start(self) -> None:
        """Start listening."""
        await self._open_port(self._listener)
        self._port_keeper = asyncio.create_task(self._keep_port())

    async def stop(self) -> None:
        """Stop listening and drop every connection."""
        if self._port_keeper is not None:
            self._port_keeper.cancel()
            await asyncio.wait([self._port_keeper])
        self._close_port()
        serving = list(self._connections)
        for task in serving:
            task.cancel()
        if serving:
            await asyncio.wait(serving)

    async def _open_port(self, listener: socket.socket) -> None:
        self._server = await asyncio.start_server(self._accept, sock=listener)

    def _close_port(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = ClientConnection(reader, writer)
        task = asyncio.create_task(self._serve(connection))
        self._connections[task] = connection
        task.add_done_callback(self._forget)

    async def _serve(self, client: ClientConnection) -> None:
        """Answer a client's requests until either side is done with the connection."""
        behind: UpstreamConnection | None = None
        try:
            while not client.is_over:
                request = await client.next_request()
                exchange = Exchange(client, request, self._upstream, behind, self._board)
                try:
                    await exchange.run()
                finally:
                    behind = exchange.behind
                client.finish_exchange()
        except ConnectionRefusedError:
            # Too late to refuse this client; the next one will be.
            client.reset()
            self._upstream_refuses.set()
        except ConnectionResetError:
            client.reset()
        except (ConnectionOver, OSError, h11.ProtocolError):
            # One side of the wire broke; the other is told so by the closing below.
            return
        finally:
            if behind is not None:
                behind.close()
            client.close()

    def _forget(self, task: asyncio.Task[None]) -> None:
        del self._connections[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            _logger.error("a connection through the fault proxy failed", exc_info=error)

    async def _keep_port(self) -> None:
        """Close the port while a fault wants it closed or the server refuses, then open it again.

        A refused connection is not seen by who refuses it, so a fault with a
        probability below 1 keeps the port closed for that share of the time.
        """
        while True:
            changed = asyncio.create_task(self._board.change())
            refused = asyncio.create_task(self._upstream_refuses.wait())
            closing = [fault for fault, _ in self._board.active() if fault.closes_port]
            if self._upstream_refuses.is_set() and not await self._upstream.refuses():
                self._upstream_refuses.clear()
            if self._upstream_refuses.is_set() or any(map(self._board.hits, closing)):
                self._close_port()
                for connection in self._connections.values():
                    connection.close_when_idle()
            elif self._server is None:
                await self._reopen_port()
            is_certain = all(
                setting.probability >= 1
                for fault, setting in self._board.active()
                if fault.closes_port
            )
            settled = is_certain and (bool(closing) or self._server is not None)
            await asyncio.wait(
                [changed] if self._upstream_refuses.is_set() else [changed, refused],
                timeout=None if settled else _PORT_SLICE,
                return_when=asyncio.FIRST_COMPLETED,
            )
            changed.cancel()
            refused.cancel()

    async def _reopen_port(self) -> None:
        try:
            await self._open_port(bind(self._host, self._port))
        except ListenError as error:
            _logger.warning("the fault proxy cannot have its port back yet: %s", error)
