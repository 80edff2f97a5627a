"""A bounded, observable pool of connections."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import cast

import httpx

from fuseboard.breaker.counters import DurationHistogram
from fuseboard.breaker.fork import renewed_lock
from fuseboard.breaker.live_object import LiveObject
from fuseboard.breaker.names import check_name
from fuseboard.breaker.snapshot import PoolSnapshot
from fuseboard.breaker.validation import NumberKind

# Upper bounds of the histogram of waiting times, seconds.
_WAIT_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class ConnectionPool(LiveObject, httpx.AsyncBaseTransport):
    """A transport that limits and counts the exchanges under way.

    An exchange holds its connection until its body is closed. The pool belongs
    below the breaker, so that a rejected request never waits, and above the
    transport that enforces deadlines, so that waiting here does not count as
    slowness of the server.

    httpx reports no figures of its own pool; below this one no request waits there.

    Use it on one event loop; `snapshot()` may be called from any thread.

    Args:
        name: The pool's name in metrics and snapshots.
        inner: The transport that sends; it must have room for `max_connections`.
        max_connections: How many exchanges may be under way.
        timeout: Seconds that an exchange waits for a connection.
        clock: A monotonic clock, seconds.

    Raises:
        TypeError, ValueError: If the name cannot be exported, `max_connections` is no whole
            number of at least 1, or `timeout` no number of seconds.
    """

    def __init__(
        self,
        name: str,
        inner: httpx.AsyncBaseTransport,
        max_connections: int,
        *,
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = check_name(name, "a pool")
        max_connections = NumberKind.COUNT.check("max_connections", max_connections)
        timeout = NumberKind.SECONDS.check("timeout", timeout)
        self._inner = inner
        self._max_connections = max_connections
        self._timeout = timeout
        self._clock = clock
        self._free = asyncio.Semaphore(max_connections)
        self._lock = renewed_lock(self)
        self._active = 0
        self._waits = DurationHistogram(_WAIT_BUCKETS)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Wait for a connection and send a request.

        Raises:
            httpx.PoolTimeout: If no connection became free in time.
            httpx.TransportError: Whatever the inner transport raises.
        """
        await self._acquire()
        try:
            response = await self._inner.handle_async_request(request)
        except BaseException:
            self._release()
            raise
        body = cast("httpx.AsyncByteStream", response.stream)
        return httpx.Response(
            response.status_code,
            headers=response.headers,
            stream=_PooledBody(body, self._release),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close the inner transport."""
        await self._inner.aclose()

    def snapshot(self) -> PoolSnapshot:
        """Return the current figures of the pool."""
        with self._lock:
            return PoolSnapshot(self.name, self._active, self._max_connections, self._waits.copy())

    async def _acquire(self) -> None:
        started = self._clock()
        try:
            async with asyncio.timeout(self._timeout):
                await self._free.acquire()
        except TimeoutError:
            self._count_wait(self._clock() - started)
            raise httpx.PoolTimeout(f"no free connection within {self._timeout:g} s") from None
        self._count_wait(self._clock() - started, acquired=1)

    def _count_wait(self, seconds: float, *, acquired: int = 0) -> None:
        with self._lock:
            self._waits.take([seconds])
            self._active += acquired

    def _release(self) -> None:
        with self._lock:
            self._active -= 1
        self._free.release()


class _PooledBody(httpx.AsyncByteStream):
    """A body that gives its connection back once, at the first `aclose()`."""

    def __init__(self, body: httpx.AsyncByteStream, release: Callable[[], object]) -> None:
        self._body = body
        self._release = release
        self._closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for data in self._body:
            yield data

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            try:
                await self._body.aclose()
            finally:
                self._release()
