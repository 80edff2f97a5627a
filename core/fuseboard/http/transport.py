"""An httpx transport that guards its requests with circuit breakers.

A request is judged when its response has ended, not when its head arrives:

    httpx.Client(transport=BreakerTransport(breaker))
    httpx.AsyncClient(transport=BreakerTransport(breaker))
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import cast

import httpx

from fuseboard.breaker.breaker import CircuitBreaker
from fuseboard.breaker.errors import CircuitOpenError
from fuseboard.breaker.fork import renewed_lock
from fuseboard.http.exchange import GuardedExchange
from fuseboard.http.judge import Judge
from fuseboard.http.judges.http import http_judge

JUDGE_EXTENSION = "fuseboard.judge"
"""The request extension with the judge to use instead of the transport's.

A judge belongs to one exchange: such a request must not be repeated, as redirects do.
"""

EXCHANGE_EXTENSION = "fuseboard.exchange"
"""The response extension with the `GuardedExchange`, which has the ruling."""


class RequestRejectedError(CircuitOpenError, httpx.TransportError):
    """A breaker rejected a request; nothing was sent.

    It is a direct subclass of `httpx.TransportError`, which clients built on
    httpx pass on unchanged; some convert a `ConnectError` to another type.
    """

    _request: httpx.Request | None = None

    def __init__(self, *values: object) -> None:
        Exception.__init__(self, *values)  # not httpx's, which takes a message

    @classmethod
    def from_rejection(cls, rejection: CircuitOpenError) -> RequestRejectedError:
        """Return the error for a rejection by a breaker."""
        return cls(*rejection.args)


class BreakerTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A transport that sends requests through another one, guarded by breakers.

    It works in an `httpx.Client` and in an `httpx.AsyncClient`, and is as
    thread-safe as `inner`. A client with an explicit transport does not apply
    its own `verify`, `limits`, `http2`, `proxy` and proxy environment variables:
    configure `inner` instead.

    Args:
        breaker: The breaker of all requests, or a function that returns the
            breaker of one; `None` leaves the request judged but unguarded.
        inner: The transport that sends; by default httpx's own, made for the
            first request.
        judge: Makes the judge of a request, unless the request has the
            extension `JUDGE_EXTENSION`.

    Raises:
        TypeError: If `inner` is no transport; on a request, if it is a transport
            for the other kind of client.
    """

    def __init__(
        self,
        breaker: CircuitBreaker | Callable[[httpx.Request], CircuitBreaker | None],
        inner: httpx.BaseTransport | httpx.AsyncBaseTransport | None = None,
        *,
        judge: Callable[[httpx.Request], Judge] = http_judge,
    ) -> None:
        if not isinstance(inner, httpx.BaseTransport | httpx.AsyncBaseTransport | None):
            raise TypeError(f"not an httpx transport: {inner!r}")
        self._breaker_of = (lambda _: breaker) if isinstance(breaker, CircuitBreaker) else breaker
        self._make_judge = judge
        self._inner = inner
        self._sync = inner if isinstance(inner, httpx.BaseTransport) else None
        self._async = inner if isinstance(inner, httpx.AsyncBaseTransport) else None
        self._lock = renewed_lock(self)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request.

        Raises:
            RequestRejectedError: If its breaker does not admit it.
            httpx.TransportError: Whatever the inner transport raises.
        """
        inner = self._sync_transport()
        exchange = self._start_exchange(request)
        try:
            response = inner.handle_request(request)
            exchange.begin(response.status_code, response.headers)
        except BaseException as error:
            exchange.raised(error)
            raise
        body = _JudgedBody(cast("httpx.SyncByteStream", response.stream), exchange)
        return _with_judged_body(response, body, exchange)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request.

        Raises:
            RequestRejectedError: If its breaker does not admit it.
            httpx.TransportError: Whatever the inner transport raises.
        """
        inner = self._async_transport()
        exchange = self._start_exchange(request)
        try:
            response = await inner.handle_async_request(request)
            exchange.begin(response.status_code, response.headers)
        except BaseException as error:
            exchange.raised(error)
            raise
        body = _AsyncJudgedBody(cast("httpx.AsyncByteStream", response.stream), exchange)
        return _with_judged_body(response, body, exchange)

    def close(self) -> None:
        """Close the inner transport."""
        if self._sync is not None:
            self._sync.close()

    async def aclose(self) -> None:
        """Close the inner transport."""
        if self._async is not None:
            await self._async.aclose()

    def _start_exchange(self, request: httpx.Request) -> GuardedExchange:
        breaker = self._breaker_of(request)
        judge = cast("Judge | None", request.extensions.get(JUDGE_EXTENSION)) or self._make_judge(
            request
        )
        try:
            permit = breaker.acquire() if breaker is not None else None
        except CircuitOpenError as rejection:
            raise RequestRejectedError.from_rejection(rejection) from None
        return GuardedExchange(judge, permit, request)

    def _sync_transport(self) -> httpx.BaseTransport:
        with self._lock:
            if self._sync is None:
                if self._inner is not None:
                    raise TypeError(f"{self._inner!r} works in an httpx.AsyncClient only")
                self._sync = httpx.HTTPTransport()
            return self._sync

    def _async_transport(self) -> httpx.AsyncBaseTransport:
        with self._lock:
            if self._async is None:
                if self._inner is not None:
                    raise TypeError(f"{self._inner!r} works in an httpx.Client only")
                self._async = httpx.AsyncHTTPTransport()
            return self._async


def _with_judged_body(
    response: httpx.Response,
    body: httpx.SyncByteStream | httpx.AsyncByteStream,
    exchange: GuardedExchange,
) -> httpx.Response:
    # A new response: one whose content is loaded already would never read `body`.
    return httpx.Response(
        response.status_code,
        headers=response.headers,
        stream=body,
        extensions={**response.extensions, EXCHANGE_EXTENSION: exchange},
    )


class _JudgedBody(httpx.SyncByteStream):
    def __init__(self, body: httpx.SyncByteStream, exchange: GuardedExchange) -> None:
        self._body = body
        self._exchange = exchange

    def __iter__(self) -> Iterator[bytes]:
        try:
            for data in self._body:
                self._exchange.feed(data)
                yield data
        except BaseException as error:
            self._exchange.raised(error)
            raise
        self._exchange.ended()

    def close(self) -> None:
        self._exchange.stopped()
        self._body.close()


class _AsyncJudgedBody(httpx.AsyncByteStream):
    def __init__(self, body: httpx.AsyncByteStream, exchange: GuardedExchange) -> None:
        self._body = body
        self._exchange = exchange

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for data in self._body:
                self._exchange.feed(data)
                yield data
        except BaseException as error:
            self._exchange.raised(error)
            raise
        self._exchange.ended()

    async def aclose(self) -> None:
        self._exchange.stopped()
        await self._body.aclose()
