"""Servers on real sockets for tests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fuseboard.faults.proxy.proxy import FaultProxy
from fuseboard.faults.switches import FaultSwitches
from fuseboard.server.server import HttpServer
from fuseboard.server.sockets import bind, url_of
from fuseboard.simulator.app import simulator_app
from fuseboard.simulator.settings import SimulatorSettings

FAST = SimulatorSettings(
    tokens_per_second=1e9, prompt_seconds=0.0, embed_seconds=0.0, load_seconds=0.0
)

ResponseHandler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""Responds to one request that has been read already."""


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[str]:
    """Serve an application and yield its URL."""
    server = HttpServer(app, bind("127.0.0.1", 0))
    await server.start()
    try:
        yield server.url
    finally:
        await server.stop()


@asynccontextmanager
async def simulated(settings: SimulatorSettings = FAST) -> AsyncIterator[str]:
    """Serve the simulator and yield its URL."""
    async with served(simulator_app(settings)) as url:
        yield url


@dataclass(frozen=True)
class ReceivedRequest:
    """A request as the server received it."""

    path: str
    body: dict[str, Any]


@asynccontextmanager
async def recording_simulator(
    settings: SimulatorSettings = FAST,
) -> AsyncIterator[tuple[str, list[ReceivedRequest]]]:
    """Serve the simulator; yield its URL and the growing list of requests."""
    app = simulator_app(settings)
    received: list[ReceivedRequest] = []

    async def record(scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        received.append(ReceivedRequest(scope["path"], json.loads(body or b"{}")))
        replayed: list[Message] = [{"type": "http.request", "body": body}]

        async def receive_again() -> Message:
            return replayed.pop() if replayed else await receive()

        await app(scope, receive_again, send)

    async with served(record) as url:
        yield url, received


@asynccontextmanager
async def started_proxy(
    upstream_url: str, switches: FaultSwitches | None = None, **options: Any
) -> AsyncIterator[FaultProxy]:
    """Put the fault proxy in front of a server and yield it."""
    proxy = FaultProxy(bind("127.0.0.1", 0), upstream_url, switches or FaultSwitches(), **options)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()


@asynccontextmanager
async def proxied(upstream_url: str, switches: FaultSwitches) -> AsyncIterator[str]:
    """Put the fault proxy in front of a server and yield the proxy's URL."""
    async with started_proxy(upstream_url, switches) as proxy:
        yield proxy.url


async def send_raw(url: str, *parts: bytes) -> bytes:
    """Send bytes on a new connection; return what comes back until it ends."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


@asynccontextmanager
async def raw_server(respond: ResponseHandler) -> AsyncIterator[str]:
    """Read one request on each connection, then let `respond` handle it; yield the URL."""

    handling: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    await reader.readexactly(int(line.partition(b":")[2]))
            await respond(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client left before its request or the response was complete
        finally:
            writer.close()

    def start_handling(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(handle(reader, writer))
        handling.add(task)
        task.add_done_callback(handling.discard)

    listener = bind("127.0.0.1", 0)
    server = await asyncio.start_server(start_handling, sock=listener)
    try:
        yield url_of(listener)
    finally:
        server.close()
        for task in handling:
            task.cancel()
        await asyncio.gather(*handling, return_exceptions=True)
        await asyncio.sleep(0)  # until their transports are closed


async def closed_port(url: str) -> None:
    """Wait until nothing listens at a URL."""
    await _until(url, listening=False)


async def open_port(url: str) -> None:
    """Wait until a server listens at a URL."""
    await _until(url, listening=True)


async def _until(url: str, *, listening: bool) -> None:
    host, _, port = url.removeprefix("http://").rstrip("/").partition(":")
    while True:
        try:
            _, writer = await asyncio.open_connection(host, int(port))
        except ConnectionRefusedError:
            if not listening:
                return
        except ConnectionResetError:
            continue  # closed before it was accepted
        else:
            writer.close()
            if listening:
                return
        await asyncio.sleep(0.005)
