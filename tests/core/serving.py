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

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[str]:
    """Serve an application; gives its URL."""
    server = HttpServer(app, bind("127.0.0.1", 0))
    await server.start()
    try:
        yield server.url
    finally:
        await server.stop()


@asynccontextmanager
async def simulated(settings: SimulatorSettings = FAST) -> AsyncIterator[str]:
    """Serve the simulator; gives its URL."""
    async with served(simulator_app(settings)) as url:
        yield url


@dataclass(frozen=True)
class Asked:
    """A request as the server saw it."""

    path: str
    body: dict[str, Any]


@asynccontextmanager
async def overheard(settings: SimulatorSettings = FAST) -> AsyncIterator[tuple[str, list[Asked]]]:
    """Serve the simulator; gives its URL, and a list that grows with every request."""
    app = simulator_app(settings)
    heard: list[Asked] = []

    async def listening(scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        heard.append(Asked(scope["path"], json.loads(body or b"{}")))
        again: list[Message] = [{"type": "http.request", "body": body}]

        async def receive_again() -> Message:
            return again.pop() if again else await receive()

        await app(scope, receive_again, send)

    async with served(listening) as url:
        yield url, heard


@asynccontextmanager
async def proxied(upstream_url: str, board: FaultSwitches) -> AsyncIterator[str]:
    """Put the fault proxy in front of a server; gives its URL."""
    proxy = FaultProxy(bind("127.0.0.1", 0), upstream_url, board)
    await proxy.start()
    try:
        yield proxy.url
    finally:
        await proxy.stop()


@asynccontextmanager
async def raw_server(answer: Answer) -> AsyncIterator[str]:
    """Read one request on each connection, then let `answer` write what it likes."""

    taking: set[asyncio.Task[None]] = set()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    await reader.readexactly(int(line.partition(b":")[2]))
            await answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # it left before it had asked for anything, or had its answer
        finally:
            writer.close()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(take(reader, writer))
        taking.add(task)
        task.add_done_callback(taking.discard)

    listener = bind("127.0.0.1", 0)
    server = await asyncio.start_server(begin, sock=listener)
    try:
        yield url_of(listener)
    finally:
        server.close()
        for task in taking:
            task.cancel()
        await asyncio.gather(*taking, return_exceptions=True)
        await asyncio.sleep(0)  # until what they closed is closed


async def closed_port(url: str) -> None:
    """Wait until nobody listens there."""
    await _until(url, listening=False)


async def open_port(url: str) -> None:
    """Wait until somebody listens there."""
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
            continue  # the port was closed on it before it was accepted
        else:
            writer.close()
            if listening:
                return
        await asyncio.sleep(0.005)
