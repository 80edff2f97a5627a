"""Calls cancelled at any point: nothing is lost, and nothing counts as a failure."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, aclosing, asynccontextmanager

import httpx
import pytest

from fuseboard import CircuitBreaker, ConsecutiveFailures
from fuseboard.http.cancel_safe_transport import CancelSafeTransport
from fuseboard.ollama import Message, OllamaClient, Operation, breaker_per_operation
from fuseboard.server.sockets import url_of
from tests.core.http.test_pool import until
from tests.core.ollama.test_client import (
    DONE,
    END,
    MODEL,
    STREAM_HEAD,
    TOKEN,
    Reader,
    Writer,
    generate,
    http_chunk,
)
from tests.core.serving import raw_server, simulated

CONNECTIONS = 3


class CheckedClient:
    """A client, and checks that a cancelled call has left nothing behind."""

    def __init__(self, client: OllamaClient, breakers: dict[Operation, CircuitBreaker]) -> None:
        self.client = client
        self.breakers = breakers

    def counted(self) -> tuple[int, int, int, int]:
        seen = [breaker.snapshot() for breaker in self.breakers.values()]
        return (
            sum(breaker.calls.success for breaker in seen),
            sum(breaker.calls.failure for breaker in seen),
            sum(breaker.calls.ignored for breaker in seen),
            sum(breaker.in_flight for breaker in seen),
        )

    async def is_clean(self) -> None:
        assert self.counted()[3] == 0, "every permit came back at once"
        await until(lambda: self.client.pool.snapshot().active == 0)

    async def has_all_connections(self) -> None:
        calls = [asyncio.create_task(generate(self.client)) for _ in range(CONNECTIONS)]
        assert all(await asyncio.gather(*calls))


@asynccontextmanager
async def checked_client(url: str, connections: int = CONNECTIONS) -> AsyncIterator[CheckedClient]:
    breakers = breaker_per_operation(lambda name: CircuitBreaker(name, trip=ConsecutiveFailures(1)))
    async with OllamaClient(url, breakers, max_connections=connections) as client:
        yield CheckedClient(client, breakers)


async def cancel(call: asyncio.Task[object], *, times: int = 1) -> None:
    for _ in range(times):
        call.cancel()
        await asyncio.sleep(0)
    await asyncio.wait([call])


async def test_while_it_waits_for_a_connection() -> None:
    async def hang(reader: Reader, writer: Writer) -> None:
        await reader.read()

    async with raw_server(hang) as url, checked_client(url) as it:
        calls = [asyncio.create_task(generate(it.client)) for _ in range(CONNECTIONS + 2)]
        await until(lambda: it.client.pool.snapshot().active == CONNECTIONS)
        for waiting in calls[-2:]:
            await cancel(waiting)
        assert it.counted() == (0, 0, 2, CONNECTIONS)
        for call in calls:
            await cancel(call)
        assert it.counted() == (0, 0, CONNECTIONS + 2, 0)
        await it.is_clean()


async def test_while_it_connects() -> None:
    with ExitStack() as sockets:
        listener = sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):  # a full accept queue drops further connections
            other = sockets.enter_context(socket.socket())
            other.setblocking(False)
            other.connect_ex(listener.getsockname())
        async with checked_client(url_of(listener)) as it:
            call = asyncio.create_task(generate(it.client))
            await until(lambda: it.client.pool.snapshot().active == 1)
            for _ in range(50):
                await asyncio.sleep(0)
            await cancel(call)
            assert it.counted() == (0, 0, 1, 0)
            await it.is_clean()


async def test_while_it_sends() -> None:
    head = asyncio.Event()
    leave = asyncio.Event()

    async def take_no_more(reader: Reader, writer: Writer) -> None:
        head.set()
        await leave.wait()
        writer.close()

    server = await asyncio.start_server(take_no_more, "127.0.0.1", 0, limit=1024)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, checked_client(url) as it:
        prompt = "word " * 4_000_000
        call = asyncio.create_task(anext(it.client.generate(prompt, model=MODEL)))
        await head.wait()
        await cancel(call)
        assert it.counted() == (0, 0, 1, 0)
        await it.is_clean()
        leave.set()


@pytest.mark.parametrize(
    "parts",
    [
        (),
        (STREAM_HEAD[:20],),
        (STREAM_HEAD,),
        (STREAM_HEAD, http_chunk(TOKEN)),
        (STREAM_HEAD, b"9\r\n"),
    ],
    ids=["before the head", "in the head", "before a token", "after a token", "in a chunk"],
)
async def test_while_it_reads(parts: tuple[bytes, ...]) -> None:
    taken = asyncio.Event()

    async def hang(reader: Reader, writer: Writer) -> None:
        writer.writelines(parts)
        await writer.drain()
        taken.set()
        await reader.read()

    async with raw_server(hang) as url, checked_client(url) as it:
        call = asyncio.create_task(generate(it.client))
        await taken.wait()
        for _ in range(50):
            await asyncio.sleep(0)
        await cancel(call)
        assert it.counted() == (0, 0, 1, 0)
        await it.is_clean()


async def test_while_it_is_closed() -> None:
    async def keep_streaming(reader: Reader, writer: Writer) -> None:
        writer.write(STREAM_HEAD + http_chunk(TOKEN))
        await reader.read()

    async def take_one(client: OllamaClient) -> None:
        async with aclosing(client.generate("hello", model=MODEL)) as chunks:
            await anext(chunks)
            reading.set()

    async with raw_server(keep_streaming) as url, checked_client(url) as it:
        for steps in range(12):
            reading = asyncio.Event()
            call = asyncio.create_task(take_one(it.client))
            await reading.wait()
            for _ in range(steps):
                await asyncio.sleep(0)
            await cancel(call, times=3)
            await it.is_clean()
        assert it.counted() == (12, 0, 0, 0), "a caller that got a chunk has been served"


async def read_all(client: OllamaClient) -> None:
    await generate(client)


async def read_some(client: OllamaClient) -> None:
    async with aclosing(client.chat([Message("user", "hello")], model=MODEL)) as chunks:
        async for _ in chunks:
            return


async def read_whole(client: OllamaClient) -> None:
    async with aclosing(client.generate("hello", model=MODEL, stream=False)) as chunks:
        async for _ in chunks:
            pass


async def embed(client: OllamaClient) -> None:
    await client.embed(["hello"], model="nomic-embed-text")


KINDS: list[Callable[[OllamaClient], Awaitable[None]]] = [read_all, read_some, read_whole, embed]


async def send_text(reader: Reader, writer: Writer) -> None:
    for part in (STREAM_HEAD, http_chunk(TOKEN), http_chunk(TOKEN), http_chunk(DONE), END):
        writer.write(part)
        await asyncio.sleep(0)


@pytest.mark.parametrize("reuses", [True, False], ids=["an old connection", "a new one"])
async def test_at_every_step_of_a_call(reuses: bool) -> None:
    async def respond(reader: Reader, writer: Writer) -> None:
        await send_text(reader, writer)
        while reuses:
            await reader.readuntil(b"}")  # the end of the next request
            await send_text(reader, writer)

    async with raw_server(respond) as url, checked_client(url, connections=1) as it:
        steps, finished = 0, False
        while not finished and steps < 300:
            if reuses:
                assert await generate(it.client)
            call = asyncio.create_task(generate(it.client))
            for _ in range(steps):
                await asyncio.sleep(0)
            finished = call.done()
            await cancel(call)
            await it.is_clean()
            steps += 1
        assert it.counted()[1] == 0
        assert finished
        assert steps > 10
        assert await generate(it.client)


async def test_twice_at_every_step_of_a_call() -> None:
    async with raw_server(send_text) as url, checked_client(url) as it:
        for steps in range(40):
            call = asyncio.create_task(generate(it.client))
            for _ in range(steps):
                await asyncio.sleep(0)
            await cancel(call, times=2)
            await it.is_clean()
        assert it.counted()[1] == 0
        await it.has_all_connections()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
async def test_at_random_while_many_compete(seed: int) -> None:
    rng = random.Random(seed)
    async with simulated() as url, checked_client(url) as it:
        calls: set[asyncio.Task[None]] = set()
        for _ in range(300):
            calls.add(asyncio.ensure_future(rng.choice(KINDS)(it.client)))
            for _ in range(rng.randrange(12)):
                await asyncio.sleep(0)
            while len(calls) > 3 * CONNECTIONS or (calls and rng.random() < 0.3):
                call = rng.choice(sorted(calls, key=id))
                calls.remove(call)
                await cancel(call)
        for call in calls:
            await cancel(call)
        await it.is_clean()
        success, failure, ignored, _ = it.counted()
        assert failure == 0
        assert success + ignored >= 250
        assert ignored > 50
        await it.has_all_connections()


# The bug of httpcore that all of this is about (encode/httpcore#1093)

ONE = httpx.Limits(max_connections=1)
CLOSING = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


async def lose_a_connection(transport: httpx.AsyncBaseTransport) -> bool:
    """Cancel a call after the only connection is assigned to it, before it runs again.

    Return whether the connection is lost for good.
    """

    async def respond(_: Reader, writer: Writer) -> None:
        writer.write(CLOSING)
        await writer.drain()

    timeout = httpx.Timeout(10, pool=0.02)
    async with (
        raw_server(respond) as url,
        httpx.AsyncClient(transport=transport, timeout=timeout) as client,
    ):
        async with client.stream("GET", url) as first:
            second = asyncio.create_task(client.get(url))
            for _ in range(20):
                await asyncio.sleep(0)
            await first.aread()  # and closes, which gives the second one a connection
            await cancel(second)
        try:
            assert (await client.get(url)).text == "ok"
        except httpx.PoolTimeout:
            return True
        return False


async def test_httpcore_still_loses_connections_so_that_our_cure_is_needed() -> None:
    assert await lose_a_connection(httpx.AsyncHTTPTransport(limits=ONE)), (
        "encode/httpcore#1093 is mended in this version: require it, and delete"
        " fuseboard.http.cancel_safe_transport"
    )
    assert not await lose_a_connection(CancelSafeTransport(ONE))
