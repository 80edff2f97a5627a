"""Clients that stall, flood, misbehave or come from a web page, and the proxy in front of them."""

from __future__ import annotations

import asyncio
import gc
import random
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse

from fuseboard.faults.proxy.proxy import FaultProxy
from fuseboard.faults.switches import FaultSwitches
from fuseboard.server.local_hosts import AllowedCallers
from tests.core.ollama.test_client import plain, skip_ahead
from tests.core.serving import raw_server, send_raw, served, started_proxy

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST_GET = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
HELLO = PlainTextResponse("hello")

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def proxy_of_hello(**options: Any) -> AsyncIterator[FaultProxy]:
    async with served(HELLO) as upstream, started_proxy(upstream, **options) as proxy:
        yield proxy


async def connect(proxy: FaultProxy) -> Streams:
    host, _, port = proxy.url.removeprefix("http://").partition(":")
    return await asyncio.open_connection(host, int(port))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (a socket has no event)
            await asyncio.sleep(0.002)


async def close(clients: list[Streams]) -> None:
    for _, writer in clients:
        writer.close()
    await asyncio.gather(*(writer.wait_closed() for _, writer in clients), return_exceptions=True)


MALFORMED = {
    "not http": b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
    "space before colon": b"GET / HTTP/1.1\r\nHost: localhost\r\nA : b\r\n\r\n",
    "bad length": b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n"
    b"Content-Length: 2\r\n\r\nab",
    "no path": b"GET elsewhere HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "bad chunk": b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "a bracket": b"GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\n:\r\n\r\n",
}


@pytest.mark.parametrize("request_", MALFORMED.values(), ids=MALFORMED)
async def test_a_malformed_request_gets_a_400(
    request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with proxy_of_hello() as proxy:
        response = await send_raw(proxy.url, request_)
        assert b"HTTP/1.1 400" in response
        assert b'{"error": "malformed request' in response
        assert b"hello" in await send_raw(proxy.url, LAST_GET)
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("in_pieces", [False, True])
@pytest.mark.parametrize("name", ["header", "target"])
async def test_a_large_head_gets_a_431(name: str, in_pieces: bool) -> None:
    much = b"y" * 17_000
    head = {
        "header": b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Much: %b\r\n\r\n" % much,
        "target": b"GET /%b HTTP/1.1\r\nHost: localhost\r\n\r\n" % much,
    }[name]
    size = 1000 if in_pieces else len(head)
    parts = [head[start : start + size] for start in range(0, len(head), size)]
    async with proxy_of_hello() as proxy:
        assert (await send_raw(proxy.url, *parts)).startswith(b"HTTP/1.1 431")


async def test_a_flood_of_headers_still_reads_its_431() -> None:
    async with proxy_of_hello() as proxy:
        flood = b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-Much: y\r\n" * 20_000
        assert (await send_raw(proxy.url, flood)).startswith(b"HTTP/1.1 431")


async def test_a_head_of_16_kib_passes() -> None:
    async with proxy_of_hello() as proxy:
        request = LAST_GET.replace(b"\r\n\r\n", b"\r\nX-Much: %b\r\n\r\n" % (b"y" * 15_000))
        assert (await send_raw(proxy.url, request)).startswith(b"HTTP/1.1 200")


async def test_connect_gets_a_405() -> None:
    async with proxy_of_hello() as proxy:
        response = await send_raw(
            proxy.url, b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n"
        )
        # Its Host is not this machine; but that is what a tunnel is for.
        assert response.startswith(b"HTTP/1.1 405")
        assert b"allow: get, head, post" in response.lower()


class TestWebPages:
    FOREIGN = (
        {"Host": "evil.example"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    )

    @pytest.mark.parametrize("headers", FOREIGN, ids=str)
    async def test_foreign_pages_are_refused_in_the_form_of_the_api(
        self, headers: dict[str, str]
    ) -> None:
        async with (
            proxy_of_hello() as proxy,
            httpx.AsyncClient(base_url=proxy.url, headers=headers) as http,
        ):
            refused = await http.get("/api/tags")
            assert refused.status_code == 403
            assert refused.json()["error"].startswith("the fault proxy is for this machine: the ")
            posted = await http.post("/v1/messages", content=bytes(5_000_000))
            assert posted.status_code == 403
            assert posted.json()["type"] == "error"

    @pytest.mark.parametrize(
        "headers",
        [{}, {"Host": "localhost:1"}, {"Origin": "http://localhost:3000"}, {"Origin": "app://a"}],
        ids=str,
    )
    async def test_this_machine_and_its_pages_are_served(self, headers: dict[str, str]) -> None:
        async with (
            proxy_of_hello() as proxy,
            httpx.AsyncClient(base_url=proxy.url, headers=headers) as http,
        ):
            assert (await http.get("/")).text == "hello"

    async def test_others_are_served_where_they_are_allowed(self) -> None:
        allowed = AllowedCallers(hosts=["box.example"], origins=["https://chat.example"])
        async with (
            proxy_of_hello(allowed_callers=allowed) as proxy,
            httpx.AsyncClient(base_url=proxy.url) as http,
        ):
            for headers in ({"Host": "box.example:80"}, {"Origin": "https://chat.example"}):
                assert (await http.get("/", headers=headers)).text == "hello"
            assert (await http.get("/", headers=self.FOREIGN[0])).status_code == 403

    async def test_the_server_gets_the_origin_to_judge_for_itself(self) -> None:
        seen: list[tuple[bytes, bytes]] = []

        async def respond(scope: object, receive: object, send: object) -> None:
            seen.extend(scope["headers"])  # type: ignore[index]
            await HELLO(scope, receive, send)  # type: ignore[arg-type]

        async with (
            served(respond) as upstream,
            started_proxy(upstream) as proxy,
            httpx.AsyncClient(base_url=proxy.url) as http,
        ):
            await http.get("/", headers={"Origin": "http://localhost:3000"})
        assert (b"origin", b"http://localhost:3000") in seen


class TestDeadlines:
    async def test_a_slow_head_gets_a_408(self) -> None:
        async with proxy_of_hello() as proxy:
            reader, writer = await connect(proxy)
            writer.write(b"GET / HTTP/1.1\r\nX-Drip: 1\r\n")
            await until(lambda: len(proxy._connections) == 1)
            await asyncio.sleep(0.02)  # until the bytes have come
            skip_ahead(10)
            assert (await reader.read()).startswith(b"HTTP/1.1 408")
            writer.close()

    async def test_a_slow_body_gets_a_408(self) -> None:
        async with proxy_of_hello() as proxy:
            reader, writer = await connect(proxy)
            writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\nab")
            await until(lambda: any(each.is_busy for each in proxy._connections))
            skip_ahead(31)
            assert (await reader.read()).startswith(b"HTTP/1.1 408")
            writer.close()

    async def test_a_long_upload_may_take_as_long_as_it_flows(self) -> None:
        async with proxy_of_hello() as proxy:
            reader, writer = await connect(proxy)
            writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n")
            writer.write(b"Content-Length: 200000\r\n\r\n")
            await until(lambda: any(each.is_busy for each in proxy._connections))
            for _ in range(4):
                writer.write(bytes(50_000))
                await writer.drain()
                await asyncio.sleep(0.02)
                skip_ahead(20)
            assert (await reader.read()).startswith(b"HTTP/1.1 200")
            writer.close()

    async def test_a_client_without_a_request_is_closed_at_last(self) -> None:
        async with proxy_of_hello() as proxy:
            reader, writer = await connect(proxy)
            writer.write(GET)
            assert await reader.readuntil(b"hello")
            await asyncio.sleep(0.02)
            skip_ahead(300)
            assert await reader.read() == b""
            writer.close()

    async def test_a_client_that_does_not_read_is_dropped_and_its_server_waits(self) -> None:
        sent = 0

        async def respond(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
            while True:
                writer.write(bytes(65536))
                await writer.drain()
                sent += 65536

        async with raw_server(respond) as upstream, started_proxy(upstream) as proxy:
            _, writer = await connect(proxy)
            writer.write(GET)
            await until(lambda: sent > 1_000_000)
            while proxy._connections:  # once the sockets between them are full
                await asyncio.sleep(0.02)
                skip_ahead(60)
            assert sent < 64 * 1024 * 1024
            writer.close()


class TestCaps:
    async def test_idle_clients_keep_nobody_out(self) -> None:
        async with proxy_of_hello(max_connections=8) as proxy:
            idle = [await connect(proxy) for _ in range(100)]
            for _, writer in idle[::2]:
                writer.write(b"GET / HTTP/1.1\r\nX-Half: 1\r\n")
            async with httpx.AsyncClient(base_url=proxy.url, timeout=10) as http:
                assert (await http.get("/")).text == "hello"
            assert len(proxy._connections) <= 8
            await close(idle)

    async def test_clients_beyond_the_cap_wait_for_their_turn(self) -> None:
        async with proxy_of_hello(max_connections=8) as proxy:
            responses = await asyncio.gather(*(send_raw(proxy.url, LAST_GET) for _ in range(100)))
            assert all(response.endswith(b"hello") for response in responses)
            # With connections that stay open as well: each gives its place to the next.
            async with httpx.AsyncClient(
                base_url=proxy.url, limits=httpx.Limits(max_connections=50), timeout=30
            ) as http:
                texts = await asyncio.gather(*(http.get(f"/{n}") for n in range(200)))
            assert {text.text for text in texts} == {"hello"}

    async def test_a_request_in_progress_is_not_dropped(self) -> None:
        switches = FaultSwitches()
        switches.switch("stall", active=True)
        async with (
            served(HELLO) as upstream,
            started_proxy(upstream, switches, max_connections=8) as proxy,
        ):
            stalled = [asyncio.create_task(send_raw(proxy.url, LAST_GET)) for _ in range(8)]
            await until(lambda: sum(each.is_busy for each in proxy._connections) == 8)
            waiting = [asyncio.create_task(send_raw(proxy.url, LAST_GET)) for _ in range(8)]
            await until(proxy._do_others_wait)
            assert len(proxy._connections) == 8
            switches.clear()
            for response in await asyncio.gather(*stalled, *waiting):
                assert response.endswith(b"hello")

    async def test_half_sent_uploads_are_not_kept_in_memory(self) -> None:
        switches = FaultSwitches()
        switches.switch("stall", active=True)
        head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n"
        async with served(HELLO) as upstream, started_proxy(upstream, switches) as proxy:
            gc.collect()
            tracemalloc.start()
            clients = [await connect(proxy) for _ in range(50)]

            async def upload(writer: asyncio.StreamWriter) -> None:
                writer.transport.set_write_buffer_limits(0)
                writer.write(head)
                with suppress(TimeoutError):
                    async with asyncio.timeout(1):
                        for _ in range(32):
                            writer.write(bytes(65536))
                            await writer.drain()

            await asyncio.gather(*(upload(writer) for _, writer in clients))
            # The clients are in this process too: each keeps what it could not send.
            kept = tracemalloc.get_traced_memory()[0] - 50 * 65536
            tracemalloc.stop()
            await close(clients)
        assert kept < 50 * 600_000

    async def test_what_is_sent_ahead_is_not_kept_in_memory_and_not_lost(self) -> None:
        switches = FaultSwitches()
        switches.switch("stall", active=True)
        async with served(HELLO) as upstream, started_proxy(upstream, switches) as proxy:
            reader, writer = await connect(proxy)
            for _ in range(2500):
                writer.write(GET)
            writer.write(LAST_GET)
            await until(lambda: any(each.is_busy for each in proxy._connections))
            switches.clear()
            assert (await reader.read()).count(b"hello") == 2501
            writer.close()


async def test_random_bytes_hang_nothing(caplog: pytest.LogCaptureFixture) -> None:
    rng = random.Random(3)
    starts = (b"", b"GET ", GET, b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: ", b"\x00")
    async with proxy_of_hello() as proxy:

        async def send() -> None:
            noise = rng.choice(starts) + rng.randbytes(rng.randrange(3000))
            reader, writer = await connect(proxy)
            with suppress(ConnectionError):
                writer.write(noise)
                writer.write_eof()
                await reader.read()
            writer.close()

        async with asyncio.timeout(30):
            for _ in range(20):
                await asyncio.gather(*(send() for _ in range(20)))
        assert b"hello" in await send_raw(proxy.url, LAST_GET)
        await until(lambda: not proxy._connection_tasks)
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_body_that_is_malformed_late_ends_the_upload() -> None:
    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while await reader.read(65536):
                pass
        writer.write(plain(200, b"too late"))

    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
    async with raw_server(respond) as upstream, started_proxy(upstream) as proxy:
        response = await send_raw(proxy.url, head, *[chunk] * 4, b"nonsense\r\n")
        assert response.startswith(b"HTTP/1.1 400")
