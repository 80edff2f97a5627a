"""Circuit breakers as an httpx transport: the verdict comes when the answer is over.

httpx.Client(transport=BreakerTransport(breaker))
httpx.AsyncClient(transport=BreakerTransport(breaker))
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import cast

import httpx

from fuseboard.breaker.breaker import CircuitBreaker
from fuseboard.breaker.errors import CircuitOpenError
from fuseboard.http.exchange import GuardedExchange
from fuseboard.http.judge import Judge
from fuseboard.http.judges.http import http_judge

JUDGE = "fuseboard.judge"
"""The request extension by which a client brings a judge of its own.

A judge judges one exchange: such a request must not lead to a second one, as redirects do.
"""

EXCHANGE = "fuseboard.exchange"
"""The response extension that holds its `GuardedExchange`, which has the ruling on it."""


class RequestRejectedError(CircuitOpenError, httpx.TransportError):
    """A breaker did not let a request out.

    It is a direct `httpx.TransportError`, which clients built on httpx pass on
    as it is; some of them turn a `ConnectError` into something else.
    """

    _request: httpx.Request | None = None

    @classmethod
    def from_rejection(cls, rejection: CircuitOpenError) -> RequestRejectedError:
        """Make one out of a breaker's own error."""
        return cls(*rejection.args)


class BreakerTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Sends requests through another transport, guarded by breakers.

    It fits into an `httpx.Client` and an `httpx.AsyncClient`. A client that is
    given a transport leaves `verify`, `limits`, `http2`, `proxy` and the
    environment's proxies to it: give them to `inner`.

    Args:
        breaker: What guards the requests, or a function that says what guards
            one; `None` leaves it judged but unguarded.
        inner: The transport that does the work; by default httpx's own, made
            for the first request.
        judge: Makes the judge of a request, unless the request brings its own.

    Raises `TypeError` if `inner` is no transport, or meets a client of the other kind.
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
        self._judge = judge
        self._inner = inner
        self._sync = inner if isinstance(inner, httpx.BaseTransport) else None
        self._async = inner if isinstance(inner, httpx.AsyncBaseTransport) else None
        self._making = threading.Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request.

        Raises:
            RequestRejectedError: If its breaker does not admit it.
            httpx.TransportError: Whatever the inner transport raises.
        """
        inner = self._for_sync()
        exchange = self._open(request)
        try:
            response = inner.handle_request(request)
            exchange.begin(response.status_code, response.headers)
        except BaseException as error:
            exchange.raised(error)
            raise
        body = _JudgedBody(cast("httpx.SyncByteStream", response.stream), exchange)
        return _with_body(response, body, exchange)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request.

        Raises:
            RequestRejectedError: If its breaker does not admit it.
            httpx.TransportError: Whatever the inner transport raises.
        """
        inner = self._for_async()
        exchange = self._open(request)
        try:
            response = await inner.handle_async_request(request)
            exchange.begin(response.status_code, response.headers)
        except BaseException as error:
            exchange.raised(error)
            raise
        body = _AsyncJudgedBody(cast("httpx.AsyncByteStream", response.stream), exchange)
        return _with_body(response, body, exchange)

    def close(self) -> None:
        """Close the inner transport."""
        if self._sync is not None:
            self._sync.close()

    async def aclose(self) -> None:
        """Close the inner transport."""
        if self._async is not None:
            await self._async.aclose()

    def _open(self, request: httpx.Request) -> GuardedExchange:
        breaker = self._breaker_of(request)
        judge = cast("Judge | None", request.extensions.get(JUDGE)) or self._judge(request)
        try:
            permit = breaker.acquire() if breaker is not None else None
        except CircuitOpenError as rejection:
            raise RequestRejectedError.from_rejection(rejection) from None
        return GuardedExchange(judge, permit, request)

    def _for_sync(self) -> httpx.BaseTransport:
        with self._making:
            if self._sync is None:
                if self._inner is not None:
                    raise TypeError(f"{self._inner!r} works in an httpx.AsyncClient only")
                self._sync = httpx.HTTPTransport()
            return self._sync

    def _for_async(self) -> httpx.AsyncBaseTransport:
        with self._making:
            if self._async is None:
                if self._inner is not None:
                    raise TypeError(f"{self._inner!r} works in an httpx.Client only")
                self._async = httpx.AsyncHTTPTransport()
            return self._async


def _with_body(
    response: httpx.Response,
    body: httpx.SyncByteStream | httpx.AsyncByteStream,
    exchange: GuardedExchange,
) -> httpx.Response:
    # A new one: a response whose content is known already would never read its body.
    return httpx.Response(
        response.status_code,
        headers=response.headers,
        stream=body,
        extensions={**response.extensions, EXCHANGE: exchange},
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
