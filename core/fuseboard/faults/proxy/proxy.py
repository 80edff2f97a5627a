"""The fault proxy: an HTTP proxy in front of one server, with the active faults injected."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any

import h11

from fuseboard.faults.proxy.downstream import ClientConnection, ConnectionEnded
from fuseboard.faults.proxy.exchange import ProxiedExchange
from fuseboard.faults.proxy.port import ListeningPort
from fuseboard.faults.proxy.upstream import Upstream, UpstreamConnection
from fuseboard.faults.switches import FaultSwitches
from fuseboard.server.sockets import ListenError, bind, url_of

_PORT_POLL_SECONDS = 0.05  # while it is not certain that the port stays as it is

_logger = logging.getLogger(__name__)


class FaultProxy:
    """A proxy that forwards requests to `upstream_url` and injects the active faults.

    Not thread-safe: it belongs to the event loop that started it.

    Args:
        listener: The bound socket to listen on.
        upstream_url: The URL of the server; its path is put before every request's path.
        switches: Which faults are active.
    """

    def __init__(self, listener: socket.socket, upstream_url: str, switches: FaultSwitches) -> None:
        self.url = url_of(listener)
        self._listener = listener
        self._host, self._port = listener.getsockname()[:2]
        self._upstream = Upstream.from_url(upstream_url)
        self._switches = switches
        self._listening_port: ListeningPort | None = None
        self._connection_tasks: set[asyncio.Task[None]] = set()
        self._connections: set[ClientConnection] = set()
        self._port_task: asyncio.Task[None] | None = None
        self._upstream_refuses = asyncio.Event()

    async def start(self) -> None:
        """Start listening."""
        self._listening_port = ListeningPort(self._listener, self._start_serving)
        self._port_task = asyncio.create_task(self._control_port(self._listening_port))

    async def stop(self) -> None:
        """Stop listening, and close every connection."""
        if self._port_task is not None:
            self._port_task.cancel()
            await asyncio.wait([self._port_task])
        if self._listening_port is not None:
            self._listening_port.close()
        await asyncio.sleep(0)  # a task closes its connection only once it has started
        tasks = list(self._connection_tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _start_serving(self, connection: socket.socket) -> None:
        task = asyncio.create_task(self._serve_connection(connection))
        self._connection_tasks.add(task)
        task.add_done_callback(self._on_connection_done)

    async def _serve_connection(self, connection: socket.socket) -> None:
        client = ClientConnection(*await asyncio.open_connection(sock=connection))
        self._connections.add(client)
        try:
            await self._serve_requests(client)
        finally:
            self._connections.discard(client)
            client.close()

    async def _serve_requests(self, client: ClientConnection) -> None:
        """Serve the requests of a client until either side ends the connection."""
        upstream: UpstreamConnection | None = None
        try:
            while not client.is_finished:
                request = await client.next_request()
                exchange = ProxiedExchange(
                    client, request, self._upstream, upstream, self._switches
                )
                try:
                    await exchange.run()
                finally:
                    upstream = exchange.upstream_connection
                client.finish_exchange()
        except ConnectionRefusedError:
            # This client is connected already; the next one will be refused.
            client.reset()
            self._upstream_refuses.set()
        except ConnectionResetError:
            client.reset()
        except (ConnectionEnded, OSError, h11.ProtocolError):
            # One side has failed; closing the connections below tells the other side.
            return
        finally:
            if upstream is not None:
                upstream.close()

    def _on_connection_done(self, task: asyncio.Task[None]) -> None:
        self._connection_tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _logger.error("a connection through the fault proxy failed", exc_info=error)

    async def _control_port(self, port: ListeningPort) -> None:
        """Keep the port closed while a fault requires it or the upstream server refuses.

        The system refuses connections without notifying the process. A fault with a
        probability below 1 therefore keeps the port closed for that share of the time.
        """
        while True:
            switched = asyncio.create_task(self._switches.wait_for_change())
            changes: list[asyncio.Task[Any]] = [switched]
            try:
                timeout = await self._update_port(port)
                if not self._upstream_refuses.is_set():
                    changes.append(asyncio.create_task(self._upstream_refuses.wait()))
                await asyncio.wait(changes, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for change in changes:
                    change.cancel()
                await asyncio.gather(*changes, return_exceptions=True)

    async def _update_port(self, port: ListeningPort) -> float | None:
        """Open or close the port as required; return the seconds until the next update.

        `None` means that only a change of a switch or of the upstream server can change it.
        """
        closing = [each for each in self._switches.active() if each[0].closes_port]
        if self._upstream_refuses.is_set() and not await self._upstream.is_refusing():
            self._upstream_refuses.clear()
        if self._upstream_refuses.is_set() or any(
            self._switches.sample_hit(fault) for fault, _ in closing
        ):
            port.close()
            for connection in self._connections:
                connection.close_when_idle()
        elif not port.is_open:
            self._reopen(port)
        is_certain = all(setting.probability >= 1 for _, setting in closing)
        is_settled = is_certain and (bool(closing) or port.is_open)
        return None if is_settled else _PORT_POLL_SECONDS

    def _reopen(self, port: ListeningPort) -> None:
        try:
            port.open(bind(self._host, self._port))
        except ListenError as error:
            _logger.warning("the fault proxy cannot have its port back yet: %s", error)
