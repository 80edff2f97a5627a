"""A bounded pool of connections that can be watched."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import cast

import httpx

from fuseboard.breaker.counters import DurationHistogram
from fuseboard.breaker.snapshot import PoolSnapshot

WAIT_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds of the histogram of waiting times, seconds."""

_logger = logging.getLogger(__name__)


class ConnectionPool(httpx.AsyncBaseTransport):
    """Lets at most `maximum` exchanges be under way at once, and counts them.

    An exchange holds its connection until its body is closed. It belongs below
    the breaker, so that a rejection never waits, and above what keeps deadlines,
    so that waiting here is not taken for the server's slowness. httpx shows no
    figures of its own pool, and loses slots of a contended one when waiting
    requests are cancelled: with this in front it never is. Should a transport
    say that it is full all the same, though it has room for `maximum`, another
    takes its place, and it is closed when its last exchange is over.

    Belongs to one event loop; `snapshot()` may be called from any thread.

    Args:
        name: The name in metrics and on the screen.
        make_inner: Makes the transport that does the work; it has room for `maximum`.
        maximum: How many connections it may have.
        patience: Seconds that an exchange waits for one before `httpx.PoolTimeout` is raised.
        clock: Seconds that only ever go forward.
    """

    def __init__(
        self,
        name: str,
        make_inner: Callable[[], httpx.AsyncBaseTransport],
        maximum: int,
        *,
        patience: float,
        clock: Callable[[], float] = time.monotonic,
        wait_buckets: Sequence[float] = WAIT_BUCKETS,
    ) -> None:
        if maximum < 1:
            raise ValueError(f"a pool needs at least 1 connection, not {maximum}")
        self.name = name
        self._make_inner = make_inner
        self._inner = _Inner(make_inner())
        self._replaced: set[_Inner] = set()  # those with exchanges that are not over
        self._maximum = maximum
        self._patience = patience
        self._clock = clock
        self._free = asyncio.Semaphore(maximum)
        self._lock = threading.Lock()
        self._active = 0
        self._waits = DurationHistogram(wait_buckets)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Wait for a connection and send a request over it.

        Raises:
            httpx.PoolTimeout: If none was free in time.
            httpx.TransportError: Whatever the inner transport raises.
        """
        await self._take()
        inner = self._inner
        try:
            try:
                response = await self._begin(inner, request)
            except httpx.PoolTimeout:
                inner = await self._in_place_of(inner)
                response = await self._begin(inner, request)
        except BaseException:
            self._give_back()
            raise
        body = cast("httpx.AsyncByteStream", response.stream)
        return httpx.Response(
            response.status_code,
            headers=response.headers,
            stream=_HeldBody(body, lambda: self._end(inner, body)),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close the inner transport."""
        for inner in (*self._replaced, self._inner):
            await inner.transport.aclose()

    def snapshot(self) -> PoolSnapshot:
        """Take a picture of the pool."""
        with self._lock:
            return PoolSnapshot(self.name, self._active, self._maximum, self._waits.copy())

    async def _take(self) -> None:
        asked = self._clock()
        try:
            async with asyncio.timeout(self._patience):
                await self._free.acquire()
        except TimeoutError:
            self._count_wait(self._clock() - asked)
            raise httpx.PoolTimeout(f"no free connection within {self._patience:g} s") from None
        self._count_wait(self._clock() - asked, taken=1)

    def _count_wait(self, seconds: float, *, taken: int = 0) -> None:
        with self._lock:
            self._waits.take([seconds])
            self._active += taken

    def _give_back(self) -> None:
        with self._lock:
            self._active -= 1
        self._free.release()

    async def _begin(self, inner: _Inner, request: httpx.Request) -> httpx.Response:
        inner.exchanges += 1
        try:
            return await inner.transport.handle_async_request(request)
        except BaseException:
            await self._count_off(inner)
            raise

    async def _end(self, inner: _Inner, body: httpx.AsyncByteStream) -> None:
        try:
            await body.aclose()
        finally:
            self._give_back()
            await self._count_off(inner)

    async def _in_place_of(self, full: _Inner) -> _Inner:
        """Give a transport that has room, where one has lost count of its connections."""
        if self._inner is full:  # else another exchange has seen to it
            _logger.warning("a transport of the pool %r lost connections: replaced", self.name)
            self._replaced.add(full)
            self._inner = _Inner(self._make_inner())
            await self._close_if_over(full)
        return self._inner

    async def _count_off(self, inner: _Inner) -> None:
        inner.exchanges -= 1
        await self._close_if_over(inner)

    async def _close_if_over(self, inner: _Inner) -> None:
        if not inner.exchanges and inner in self._replaced:
            self._replaced.remove(inner)
            await inner.transport.aclose()


@dataclass(eq=False, slots=True)
class _Inner:
    """A transport and how many exchanges it has."""

    transport: httpx.AsyncBaseTransport
    exchanges: int = 0


class _HeldBody(httpx.AsyncByteStream):
    """A body that gives its connection back when it is closed, however often that is asked."""

    def __init__(self, body: httpx.AsyncByteStream, end: Callable[[], Awaitable[None]]) -> None:
        self._body = body
        self._end = end
        self._closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for data in self._body:
            yield data

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            await self._end()
