"""The fault proxy: an HTTP proxy in front of one server, with the active faults injected."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import suppress

import h11

from fuseboard.faults.apis import Api
from fuseboard.faults.proxy.api_errors import error_body
from fuseboard.faults.proxy.downstream import ClientConnection, ConnectionEnded, RequestRefused
from fuseboard.faults.proxy.exchange import ProxiedExchange, is_for_a_proxy
from fuseboard.faults.proxy.port import ListeningPort
from fuseboard.faults.proxy.upstream import Upstream, UpstreamConnection, UpstreamError
from fuseboard.faults.switches import FaultSwitches
from fuseboard.server.limits import connection_share
from fuseboard.server.local_hosts import AllowedCallers, listens_locally
from fuseboard.server.sockets import ListenError, bind, url_of

_PORT_POLL_SECONDS = 0.05  # while it is not certain that the port stays as it is

_DESCRIPTORS_EACH = 3
"""What a connection may take: its own, the one to the server, and one of a server in-process."""

_LOOK_SECONDS = 0.015
"""Between two looks at the connections, to find one that gives way to another."""
_TIMES_IDLE = 6
"""At so many looks in a row it was idle."""

_logger = logging.getLogger(__name__)


class FaultProxy:
    """A proxy that forwards requests to `upstream_url` and injects the active faults.

    Not thread-safe: it belongs to the event loop that started it.

    Args:
        listener: The bound socket to listen on.
        upstream_url: The URL of the server; its path is put before every request's path.
        switches: Which faults are active.
        allowed_callers: Who may use it if it is reachable from this machine only, beside
            this machine itself. The server cannot tell any more, because it gets its own
            name as the `Host`.
        max_connections: Beyond it, the longest idle connection is closed; if none is
            idle, new ones wait. The default depends on the process's limit of
            descriptors.
    """

    def __init__(
        self,
        listener: socket.socket,
        upstream_url: str,
        switches: FaultSwitches,
        *,
        allowed_callers: AllowedCallers | None = None,
        max_connections: int | None = None,
    ) -> None:
        self.url = url_of(listener)
        self._listener = listener
        self._host, self._port = listener.getsockname()[:2]
        self._upstream = Upstream.from_url(upstream_url)
        self._switches = switches
        self._allowed_callers = allowed_callers or AllowedCallers()
        self._is_local = listens_locally(listener)
        self._max_connections = max_connections or connection_share(_DESCRIPTORS_EACH)
        self._listening_port: ListeningPort | None = None
        self._connection_tasks: set[asyncio.Task[None]] = set()
        self._connections: dict[ClientConnection, None] = {}
        """The open connections; those that were idle for longest come first."""
        self._looked_at = 0.0
        self._port_task: asyncio.Task[None] | None = None
        self._port_check = asyncio.Event()
        self._upstream_refuses = False
        self._problem = ""

    @property
    def problem(self) -> str:
        """Why the latest request could not be forwarded; empty if it could."""
        return self._problem

    def _do_others_wait(self) -> bool:
        return self._listening_port is not None and self._listening_port.is_full

    async def start(self) -> None:
        """Start listening."""
        self._listening_port = ListeningPort(self._listener, self._start_serving, self._make_room)
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

    def _make_room(self) -> bool:
        """Return whether there is room for a connection; if not, close an idle one.

        One that was idle several times in a row: another may have sent a request that
        was not read yet, or be about to.
        """
        if len(self._connection_tasks) < self._max_connections:
            return True
        now = asyncio.get_running_loop().time()
        if now - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = now
            for connection in self._connections:
                connection.times_idle += 0 if connection.is_busy else 1
        for connection in self._connections:
            if connection.times_idle >= _TIMES_IDLE:
                connection.close()
                break
        return False

    async def _serve_connection(self, connection: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=connection)
        client = ClientConnection(reader, writer, self._do_others_wait)
        self._connections[client] = None
        if self._listening_port is not None and not self._listening_port.is_open:
            client.close_when_idle()  # the port was closed after it was accepted
        try:
            await self._serve_requests(client)
        finally:
            self._connections.pop(client, None)
            client.close()

    async def _serve_requests(self, client: ClientConnection) -> None:
        """Serve the requests of a client until either side ends the connection."""
        upstream: UpstreamConnection | None = None
        api = Api.OLLAMA  # unless a request has been understood
        try:
            while not client.is_finished:
                request = await client.next_request()
                exchange = ProxiedExchange(
                    client, request, self._upstream, upstream, self._switches
                )
                api = exchange.api
                self._check_caller(request)
                try:
                    await exchange.run()
                finally:
                    upstream = exchange.upstream_connection
                if exchange.reached_upstream:
                    self._note_problem("")
                client.finish_exchange()
                self._connections[client] = self._connections.pop(client)
        except RequestRefused as refusal:
            await self._refuse(client, refusal, api)
        except UpstreamError as error:
            self._note_problem(str(error))
            message = f"fault proxy: the server behind it fails: {error}"
            await self._refuse(client, RequestRefused(error.status, message), api)
        except ConnectionRefusedError:
            # This client is connected already; the next one will be refused.
            client.reset()
            self._note_problem("it refuses connections")
            self._upstream_refuses = True
            self._port_check.set()
        except ConnectionResetError:
            client.reset()
        except (ConnectionEnded, OSError, h11.ProtocolError):
            # One side has failed; closing the connections below tells the other side.
            return
        finally:
            if upstream is not None:
                upstream.close()

    def _check_caller(self, request: h11.Request) -> None:
        if self._is_local:
            check_host = not is_for_a_proxy(request)
            reason = self._allowed_callers.refusal(request.headers, check_host=check_host)
            if reason:
                raise RequestRefused(403, f"the fault proxy is for this machine: {reason}")

    async def _refuse(self, client: ClientConnection, refusal: RequestRefused, api: Api) -> None:
        body = error_body(api, str(refusal), refusal.status)
        with suppress(ConnectionEnded, OSError, h11.ProtocolError):
            await client.refuse(refusal.status, body, refusal.headers)

    def _note_problem(self, problem: str) -> None:
        """Log what is wrong with the server, and that it is not any more; each once."""
        if problem == self._problem:
            return
        self._problem = problem
        if problem:
            _logger.warning("the server behind the fault proxy fails: %s", problem)
        else:
            _logger.info("the server behind the fault proxy responds")

    def _on_connection_done(self, task: asyncio.Task[None]) -> None:
        self._connection_tasks.discard(task)
        if self._listening_port is not None:
            self._listening_port.resume()
        if not task.cancelled() and (error := task.exception()) is not None:
            _logger.error("a connection through the fault proxy failed", exc_info=error)

    async def _control_port(self, port: ListeningPort) -> None:
        """Keep the port closed while a fault requires it or the upstream server refuses.

        The system refuses connections without notifying the process. A fault with a
        probability below 1 therefore keeps the port closed for that share of the time.
        """
        with self._switches.watch() as self._port_check:
            while True:
                # Before anything is looked at, so that no change after it is lost.
                self._port_check.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(await self._update_port(port)):
                        await self._port_check.wait()

    async def _update_port(self, port: ListeningPort) -> float | None:
        """Open or close the port as required; return the seconds until the next update.

        `None` means that only a change of a switch or of the upstream server can change it.
        """
        if self._upstream_refuses and not await self._upstream.is_refusing():
            self._upstream_refuses = False
            self._note_problem("")
        closing = [each for each in self._switches.active() if each[0].closes_port]
        if self._upstream_refuses or any(self._switches.sample_hit(fault) for fault, _ in closing):
            port.close()
            for connection in list(self._connections):
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
