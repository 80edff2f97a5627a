"""The bounded pool: waiting, counting, and that no connection is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from fuseboard import CircuitBreaker
from fuseboard.http.pool import ConnectionPool
from fuseboard.http.transport import BreakerTransport
from tests.core.ollama.test_client import Reader, Writer, skip_ahead
from tests.core.serving import raw_server

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@asynccontextmanager
async def pooled(maximum: int) -> AsyncIterator[tuple[httpx.AsyncClient, ConnectionPool]]:
    """A client and its pool, in front of a server that never responds."""

    async def hang(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    loop = asyncio.get_running_loop()
    pool = ConnectionPool(
        "ollama",
        httpx.MockTransport(hang),
        maximum,
        timeout=30,
        clock=lambda: loop.time(),  # looked up each time: skip_ahead() replaces it
    )
    async with httpx.AsyncClient(transport=pool, base_url="http://model") as client:
        yield client, pool


async def until(condition: object) -> None:
    for _ in range(10_000):
        if condition():  # type: ignore[operator]
            return
        await asyncio.sleep(0)
    pytest.fail("never came true")


async def test_counts_what_is_under_way_and_what_waits() -> None:
    async with pooled(2) as (client, pool):
        tasks = [asyncio.create_task(client.get("/")) for _ in range(3)]
        await until(lambda: pool.snapshot().active == 2)
        assert pool.snapshot().utilization == 1
        assert pool.snapshot().waits.count == 2
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert pool.snapshot().active == 0


async def test_gives_up_waiting_without_having_sent_anything() -> None:
    async with pooled(1) as (client, pool):
        held = asyncio.create_task(client.get("/"))
        await until(lambda: pool.snapshot().active == 1)
        waiting = asyncio.create_task(client.get("/"))
        await asyncio.sleep(0)
        skip_ahead(31)
        with pytest.raises(httpx.PoolTimeout, match="30 s"):
            await waiting
        assert pool.snapshot().active == 1
        assert pool.snapshot().waits.sum == pytest.approx(31, abs=1)
        held.cancel()


async def test_no_slot_is_lost_to_cancellation() -> None:
    async with pooled(3) as (client, pool):
        for number in range(200):
            tasks = [asyncio.create_task(client.get("/")) for _ in range(6)]
            for _ in range(number % 7):
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        assert pool.snapshot().active == 0
        three = [asyncio.create_task(client.get("/")) for _ in range(3)]
        await until(lambda: pool.snapshot().active == 3)
        for task in three:
            task.cancel()


async def test_a_body_holds_its_connection_until_it_is_closed() -> None:
    async def respond(_: Reader, writer: Writer) -> None:
        writer.write(OK)
        await writer.drain()

    async with raw_server(respond) as url:
        pool = ConnectionPool("ollama", httpx.AsyncHTTPTransport(), 1, timeout=30)
        async with httpx.AsyncClient(transport=pool) as client:
            async with client.stream("GET", url) as response:
                assert pool.snapshot().active == 1
                assert await response.aread() == b"ok"
            await response.aclose()
            assert pool.snapshot().active == 0
            assert (await client.get(url)).text == "ok"


def test_a_senseless_size_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        ConnectionPool("ollama", httpx.AsyncHTTPTransport(), 0, timeout=1)


async def test_a_call_that_finds_no_room_below_was_never_sent() -> None:
    def full(_: httpx.Request) -> httpx.Response:
        raise httpx.PoolTimeout("full")

    breaker = CircuitBreaker("wire")
    pool = ConnectionPool("ollama", httpx.MockTransport(full), 1, timeout=30)
    async with httpx.AsyncClient(transport=BreakerTransport(breaker, pool)) as client:
        for _ in range(3):
            with pytest.raises(httpx.PoolTimeout, match="full"):
                await client.get("http://model")
    assert breaker.snapshot().calls.ignored == 3
    assert breaker.snapshot().unsent == 3
    assert pool.snapshot().active == 0
