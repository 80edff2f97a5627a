"""The endpoint against foreign hosts, stalled clients and bursts of connections."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest

from fuseboard import BreakerSnapshot, CircuitBreaker, Registry
from fuseboard.breaker.registry import Registered
from fuseboard.metrics.endpoint import endpoint_app
from fuseboard.server.limits import ConnectionLimiter
from fuseboard.server.local_hosts import is_local
from fuseboard.server.server import HttpServer
from fuseboard.server.sockets import bind
from tests.core.ollama.test_client import skip_ahead


@asynccontextmanager
async def endpoint(
    *breakers: Registered[BreakerSnapshot], not_ready_reason: str = "", only_local: bool = True
) -> AsyncIterator[tuple[str, int, ConnectionLimiter]]:
    """Serve the endpoint as the engine does; yield its URL, port and connection limiter."""
    registry = Registry()
    for breaker in breakers or (CircuitBreaker("model"),):
        registry.add(breaker)
    app = endpoint_app(registry, not_ready_reason=lambda: not_ready_reason, only_local=only_local)
    limiter = ConnectionLimiter()
    listener = bind("127.0.0.1", 0)
    server = HttpServer(app, listener, limiter)
    await server.start()
    try:
        yield server.url, listener.getsockname()[1], limiter
    finally:
        await server.stop()


async def exchange(port: int, request: bytes) -> bytes:
    """Send bytes; return what is received until the connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(5_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    pytest.fail("never came true")


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("path", ["/metrics", "/health", "/ready"])
async def test_takes_get_and_head_on_exact_paths(path: str) -> None:
    async with endpoint() as (url, _, _), httpx.AsyncClient(base_url=url) as http:
        got = await http.get(path)
        assert got.status_code == 200
        assert got.content
        assert got.headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in got.headers
        head = await http.head(path)
        assert (head.status_code, head.content) == (200, b"")
        posted = await http.post(path, content=b"x" * 100_000)
        assert posted.status_code == 405
        assert set(posted.headers["Allow"].split(", ")) == {"GET", "HEAD"}
        for near in (f"{path}/", path.upper(), f"{path}x", "/"):
            assert (await http.get(near)).status_code == 404


@pytest.mark.parametrize(
    "host", ["localhost", "LocalHost:9464", "127.0.0.1", "127.1.2.3:80", "[::1]", "[::1]:9464"]
)
async def test_accepts_the_names_of_this_machine(host: str) -> None:
    assert is_local(host)
    async with endpoint() as (url, _, _), httpx.AsyncClient(base_url=url) as http:
        assert (await http.get("/metrics", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:9464", "localhost.evil.example", "10.0.0.1", "[::2]", "::1", ""],
)
async def test_refuses_a_foreign_host_on_loopback_only(host: str) -> None:
    assert not is_local(host)
    async with endpoint() as (_, port, _):
        response = await exchange(port, f"GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert response.startswith(b"HTTP/1.1 403")
        assert b"circuit_breaker" not in response
    async with endpoint(only_local=False) as (url, _, _), httpx.AsyncClient(base_url=url) as http:
        assert (await http.get("/metrics", headers={"Host": "scrape.me"})).status_code == 200


async def test_ready_has_the_reason() -> None:
    async with (
        endpoint(not_ready_reason="loading llama3.2") as (url, _, _),
        httpx.AsyncClient(base_url=url) as http,
    ):
        response = await http.get("/ready")
        assert response.status_code == 503
        assert response.json() == {"status": "not ready", "why": "loading llama3.2"}
        assert (await http.get("/health")).status_code == 200


async def test_large_headers_and_invalid_requests_are_refused(
    capfd: pytest.CaptureFixture[str],
) -> None:
    async with endpoint() as (_, port, _):
        flood = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n" + b"X-Much: y\r\n" * 10_000
        refused = await exchange(port, flood)  # or cut off, with half of it still unread
        assert refused == b"" or refused.startswith(b"HTTP/1.1 400")
        for nonsense in (b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET /metrics HTTP/1.1\r\n\r\n"):
            assert (await exchange(port, nonsense)).startswith(b"HTTP/1.1 400")
    assert capfd.readouterr() == ("", "")


async def test_stalled_clients_block_nobody_and_are_dropped(
    capfd: pytest.CaptureFixture[str],
) -> None:
    async with endpoint() as (url, port, limiter):
        before = open_files()
        stalled = [await asyncio.open_connection("127.0.0.1", port) for _ in range(400)]
        for _, writer in stalled[::2]:
            writer.write(b"GET /metrics HTTP/1.1\r\nX-Drip: 1\r\n")
        async with httpx.AsyncClient(base_url=url) as http:
            began = time.perf_counter()
            assert (await http.get("/metrics")).status_code == 200
            assert time.perf_counter() - began < 5
        assert len(limiter.connections) <= limiter.max_connections
        skip_ahead(limiter.lifetime)
        await until(lambda: not limiter.connections)
        for _, writer in stalled:
            writer.close()
        await asyncio.gather(
            *(writer.wait_closed() for _, writer in stalled), return_exceptions=True
        )
        assert open_files() <= before
    assert capfd.readouterr() == ("", "")


async def test_a_burst_does_not_drop_a_request_that_has_arrived() -> None:
    async with endpoint() as (_, port, limiter):
        # All of them wait in the kernel before the loop accepts the first.
        scrape = socket.create_connection(("127.0.0.1", port))
        scrape.sendall(b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
        burst = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
        scrape.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=scrape)
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        await until(lambda: len(limiter.connections) == limiter.max_connections)
        writer.close()
        for client in burst:
            client.close()


async def test_a_burst_does_not_drop_a_request_in_progress() -> None:
    class Slow:
        name = "slow"

        def __init__(self) -> None:
            self.reached, self.go_on = threading.Event(), threading.Event()

        def snapshot(self) -> BreakerSnapshot:
            self.reached.set()
            assert self.go_on.wait(20)
            return CircuitBreaker("slow").snapshot()

    slow = Slow()
    async with endpoint(slow) as (_, port, limiter):
        scrape = asyncio.create_task(
            exchange(port, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        )
        try:
            await asyncio.to_thread(slow.reached.wait, 20)
            burst = [await asyncio.open_connection("127.0.0.1", port) for _ in range(100)]
            await until(lambda: len(limiter.connections) == limiter.max_connections)
        finally:
            slow.go_on.set()
        assert (await scrape).startswith(b"HTTP/1.1 200")
        assert not limiter.responding
        for _, writer in burst:
            writer.close()


async def test_a_slow_client_does_not_outlive_the_lifetime() -> None:
    async with endpoint() as (_, port, limiter):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /metrics HTTP/1.1\r\n")
        await until(lambda: len(limiter.connections) == 1)
        skip_ahead(limiter.lifetime - 1)
        writer.write(b"X-Drip: 1\r\n")
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(limiter.connections) == 1
        skip_ahead(1)
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        assert not limiter.connections
        writer.close()


async def test_stops_at_once_with_stalled_clients_attached() -> None:
    async with endpoint() as (_, port, limiter):
        stalled = [await asyncio.open_connection("127.0.0.1", port) for _ in range(30)]
        await until(lambda: len(limiter.connections) == 30)
        began = time.perf_counter()
    assert time.perf_counter() - began < 1
    assert not limiter.connections
    for _, writer in stalled:
        writer.close()
