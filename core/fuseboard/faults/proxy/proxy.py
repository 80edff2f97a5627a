"""A small HTTP proxy in front of one server, on whose wire the faults are made."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any

import h11

from fuseboard.faults.proxy.downstream import ClientConnection, ConnectionOver
from fuseboard.faults.proxy.exchange import ProxiedExchange
from fuseboard.faults.proxy.port import Port
from fuseboard.faults.proxy.upstream import Upstream, UpstreamConnection
from fuseboard.faults.switches import FaultSwitches
from fuseboard.server.sockets import ListenError, bind, url_of

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

    def __init__(self, listener: socket.socket, upstream_url: str, board: FaultSwitches) -> None:
        self.url = url_of(listener)
        self._listener = listener
        self._host, self._port = listener.getsockname()[:2]
        self._upstream = Upstream.at(upstream_url)
        self._board = board
        self._tcp_port: Port | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._connections: set[ClientConnection] = set()
        self._port_keeper: asyncio.Task[None] | None = None
        self._upstream_refuses = asyncio.Event()

    async def start(self) -> None:
        """Start listening."""
        self._tcp_port = Port(self._listener, self._accept)
        self._port_keeper = asyncio.create_task(self._keep_port(self._tcp_port))

    async def stop(self) -> None:
        """Stop listening and drop every connection."""
        if self._port_keeper is not None:
            self._port_keeper.cancel()
            await asyncio.wait([self._port_keeper])
        if self._tcp_port is not None:
            self._tcp_port.close()
        await asyncio.sleep(0)  # so that each has begun: only then it closes its connection
        serving = list(self._serving)
        for task in serving:
            task.cancel()
        if serving:
            await asyncio.wait(serving)

    def _accept(self, connection: socket.socket) -> None:
        task = asyncio.create_task(self._serve_on(connection))
        self._serving.add(task)
        task.add_done_callback(self._forget)

    async def _serve_on(self, connection: socket.socket) -> None:
        client = ClientConnection(*await asyncio.open_connection(sock=connection))
        self._connections.add(client)
        try:
            await self._serve(client)
        finally:
            self._connections.discard(client)
            client.close()

    async def _serve(self, client: ClientConnection) -> None:
        """Answer a client's requests until either side is done with the connection."""
        behind: UpstreamConnection | None = None
        try:
            while not client.is_over:
                request = await client.next_request()
                exchange = ProxiedExchange(client, request, self._upstream, behind, self._board)
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

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._serving.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _logger.error("a connection through the fault proxy failed", exc_info=error)

    async def _keep_port(self, port: Port) -> None:
        """Close the port while a fault wants it closed or the server refuses, then open it again.

        A refused connection is not seen by who refuses it, so a fault with a
        probability below 1 keeps the port closed for that share of the time.
        """
        while True:
            news: list[asyncio.Task[Any]] = [asyncio.create_task(self._board.change())]
            try:
                seconds = await self._open_or_close(port)
                if not self._upstream_refuses.is_set():
                    news.append(asyncio.create_task(self._upstream_refuses.wait()))
                await asyncio.wait(news, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for waiting in news:
                    waiting.cancel()
                await asyncio.gather(*news, return_exceptions=True)

    async def _open_or_close(self, port: Port) -> float | None:
        """Have the port as it shall be; gives the seconds until the next look.

        `None` where only news can change it.
        """
        closing = [each for each in self._board.active() if each[0].closes_port]
        if self._upstream_refuses.is_set() and not await self._upstream.refuses():
            self._upstream_refuses.clear()
        if self._upstream_refuses.is_set() or any(self._board.hits(fault) for fault, _ in closing):
            port.close()
            for connection in self._connections:
                connection.close_when_idle()
        elif not port.is_open:
            self._reopen(port)
        is_certain = all(setting.probability >= 1 for _, setting in closing)
        is_settled = is_certain and (bool(closing) or port.is_open)
        return None if is_settled else _PORT_SLICE

    def _reopen(self, port: Port) -> None:
        try:
            port.open(bind(self._host, self._port))
        except ListenError as error:
            _logger.warning("the fault proxy cannot have its port back yet: %s", error)
