"""A bounded, observable pool of connections."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
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

_logger = logging.getLogger(__name__)


class ConnectionPool(LiveObject, httpx.AsyncBaseTransport):
    """A transport that limits and counts the exchanges under way.

    An exchange holds its connection until its body is closed. The pool belongs
    below the breaker, so that a rejected request never waits, and above the
    transport that enforces deadlines, so that waiting here does not count as
    slowness of the server.

    httpx reports no figures of its own pool, and can lose slots when requests
    that wait for one are cancelled (encode/httpcore#1093); below this pool no
    request waits there. A transport that reports a full pool nevertheless is
    replaced by a new one, and closed after its last exchange.

    Use it on one event loop; `snapshot()` may be called from any thread.

    Args:
        name: The pool's name in metrics and snapshots.
        make_inner: Makes the transport that sends; it must have room for `max_connections`.
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
        make_inner: Callable[[], httpx.AsyncBaseTransport],
        max_connections: int,
        *,
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = check_name(name, "a pool")
        max_connections = NumberKind.COUNT.check("max_connections", max_connections)
        timeout = NumberKind.SECONDS.check("timeout", timeout)
        self._make_inner = make_inner
        self._inner = _CountedTransport(make_inner())
        self._replaced: set[_CountedTransport] = set()  # those with exchanges under way
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
        inner = self._inner
        try:
            try:
                response = await self._send(inner, request)
            except httpx.PoolTimeout:
                inner = await self._replace(inner)
                response = await self._send(inner, request)
        except BaseException:
            self._release()
            raise
        body = cast("httpx.AsyncByteStream", response.stream)
        return httpx.Response(
            response.status_code,
            headers=response.headers,
            stream=_PooledBody(body, lambda: self._close_body(inner, body)),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close the inner transports."""
        for inner in (*self._replaced, self._inner):
            await inner.transport.aclose()

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

    async def _send(self, inner: _CountedTransport, request: httpx.Request) -> httpx.Response:
        inner.exchanges += 1
        try:
            return await inner.transport.handle_async_request(request)
        except BaseException:
            await self._end_exchange(inner)
            raise

    async def _close_body(self, inner: _CountedTransport, body: httpx.AsyncByteStream) -> None:
        try:
            await body.aclose()
        finally:
            self._release()
            await self._end_exchange(inner)

    async def _replace(self, full: _CountedTransport) -> _CountedTransport:
        """Return a transport with free connections in place of one that lost some."""
        if self._inner is full:  # unless another exchange has replaced it already
            _logger.warning("a transport of the pool %r lost connections: replaced", self.name)
            self._replaced.add(full)
            self._inner = _CountedTransport(self._make_inner())
            await self._close_if_unused(full)
        return self._inner

    async def _end_exchange(self, inner: _CountedTransport) -> None:
        inner.exchanges -= 1
        await self._close_if_unused(inner)

    async def _close_if_unused(self, inner: _CountedTransport) -> None:
        if not inner.exchanges and inner in self._replaced:
            self._replaced.remove(inner)
            await inner.transport.aclose()


@dataclass(eq=False, slots=True)
class _CountedTransport:
    """A transport and the number of its exchanges under way."""

    transport: httpx.AsyncBaseTransport
    exchanges: int = 0


class _PooledBody(httpx.AsyncByteStream):
    """A body that calls `close` once, at the first `aclose()`."""

    def __init__(self, body: httpx.AsyncByteStream, close: Callable[[], Awaitable[None]]) -> None:
        self._body = body
        self._close = close
        self._closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for data in self._body:
            yield data

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            await self._close()
