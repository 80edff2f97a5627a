"""The limits of a server whose responses may take any time."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from fuseboard.server.limits import ConnectionLimiter, connection_share, long_lived_limiter
from fuseboard.server.server import HttpServer
from fuseboard.server.sockets import bind
from tests.core.ollama.test_client import skip_ahead

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
HALF_A_HEAD = b"GET / HTTP/1.1\r\nHost: lo"
HALF_A_BODY = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc"


class Waiting:
    """An application that reads a request, and responds when it is told to."""

    def __init__(self) -> None:
        self.reached, self.go_on = asyncio.Event(), asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await Request(scope, receive).body()
        self.reached.set()
        await self.go_on.wait()
        await PlainTextResponse("done")(scope, receive, send)


@asynccontextmanager
async def serving(app: Waiting, limiter: ConnectionLimiter) -> AsyncIterator[int]:
    listener = bind("127.0.0.1", 0)
    server = HttpServer(app, listener, limiter)
    await server.start()
    try:
        yield listener.getsockname()[1]
    finally:
        await server.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (a socket has no event)
            await asyncio.sleep(0.002)


@pytest.mark.parametrize("sent", [b"", HALF_A_HEAD, HALF_A_BODY], ids=["nothing", "head", "body"])
async def test_a_request_that_does_not_arrive_is_dropped(sent: bytes) -> None:
    limiter = long_lived_limiter()
    async with serving(Waiting(), limiter) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        await until(lambda: len(limiter.connections) == 1)
        await asyncio.sleep(0.02)  # until the bytes have come
        skip_ahead(limiter.request_seconds)
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        assert not limiter.connections
        writer.close()


async def test_a_response_may_take_any_time() -> None:
    app, limiter = Waiting(), long_lived_limiter()
    async with serving(app, limiter) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        await app.reached.wait()
        skip_ahead(10 * limiter.request_seconds)
        await asyncio.sleep(0.02)
        assert limiter.responding
        app.go_on.set()
        assert (await reader.readuntil(b"done")).startswith(b"HTTP/1.1 200")
        writer.close()


@pytest.mark.parametrize(
    ("descriptors", "share"),
    [(20, 8), (64, 8), (1024, 325), (1_000_000, 1024), (resource.RLIM_INFINITY, 1024)],
)
def test_the_connections_are_a_share_of_the_descriptors(
    monkeypatch: pytest.MonkeyPatch, descriptors: int, share: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (descriptors, descriptors))
    assert connection_share(3) == share
