"""A bounded pool of connections that can be watched."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import cast

import httpx

from fuseboard.series import DurationHistogram
from fuseboard.snapshot import PoolSnapshot

WAIT_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds of the histogram of waiting times, seconds."""


class ConnectionPool(httpx.AsyncBaseTransport):
    """Lets at most `maximum` exchanges be under way at once, and counts them.

    An exchange holds its connection until its body is closed. It belongs below
    the breaker, so that a rejection never waits, and above what keeps deadlines,
    so that waiting here is not taken for the server's slowness. httpx shows no
    figures of its own pool, and loses slots of a contended one when waiting
    requests are cancelled (encode/httpcore#1093): with this in front it never is.

    Belongs to one event loop; `snapshot()` may be called from any thread.

    Args:
        name: The name in metrics and on the screen.
        inner: The transport that does the work.
        maximum: How many connections it may have.
        patience: Seconds that an exchange waits for one before `httpx.PoolTimeout` is raised.
        clock: Seconds that only ever go forward.
    """

    def __init__(
        self,
        name: str,
        inner: httpx.AsyncBaseTransport,
        maximum: int,
        *,
        patience: float,
        clock: Callable[[], float] = time.monotonic,
        wait_buckets: Sequence[float] = WAIT_BUCKETS,
    ) -> None:
        if maximum < 1:
            raise ValueError(f"a pool needs at least 1 connection, not {maximum}")
        self.name = name
        self._inner = inner
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
        try:
            response = await self._inner.handle_async_request(request)
        except BaseException:
            self._give_back()
            raise
        body = cast("httpx.AsyncByteStream", response.stream)
        return httpx.Response(
            response.status_code,
            headers=response.headers,
            stream=_HeldBody(body, self._give_back),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close the inner transport."""
        await self._inner.aclose()

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


class _HeldBody(httpx.AsyncByteStream):
    """A body that gives its connection back when it is closed, however often that is asked."""

    def __init__(self, body: httpx.AsyncByteStream, give_back: Callable[[], None]) -> None:
        self._body = body
        self._give_back: Callable[[], None] | None = give_back

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for data in self._body:
            yield data

    async def aclose(self) -> None:
        give_back, self._give_back = self._give_back, None
        try:
            await self._body.aclose()
        finally:
            if give_back is not None:
                give_back()
