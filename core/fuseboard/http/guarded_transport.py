"""What the guarding transports for httpx and httpx2 share, which is all but the types.

A request is judged when its response has ended, not when its head arrives.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar, cast

from fuseboard.breaker.breaker import CircuitBreaker
from fuseboard.breaker.errors import CircuitOpenError
from fuseboard.http.exchange import GuardedExchange
from fuseboard.http.judge import Headers, Judge, Request

JUDGE_EXTENSION = "fuseboard.judge"
"""The request extension with the judge to use instead of the transport's.

A judge belongs to one exchange: such a request must not be repeated, as redirects do.
"""

EXCHANGE_EXTENSION = "fuseboard.exchange"
"""The response extension with the `GuardedExchange`, which has the ruling."""

# Where to import the transport for each library from.
_MODULES = {"httpx": "fuseboard.http", "httpx2": "fuseboard.http.httpx2"}


class _Request(Request, Protocol):
    @property
    def extensions(self) -> Any: ...


class _Response(Protocol):
    @property
    def status_code(self) -> int: ...

    @property
    def headers(self) -> Headers: ...

    @property
    def extensions(self) -> Any: ...


RequestT = TypeVar("RequestT", bound=_Request)
ResponseT = TypeVar("ResponseT", bound=_Response)


class RejectedRequest(CircuitOpenError):  # noqa: N818 (not raised itself)
    """A breaker rejected a request; nothing was sent."""

    _request: Any = None  # for `request`, which httpx and httpx2 set and read

    def __init__(self, *values: object) -> None:
        Exception.__init__(self, *values)  # not the library's, which takes a message

    @classmethod
    def from_rejection(cls, rejection: CircuitOpenError) -> Self:
        """Return the error for a rejection by a breaker."""
        return cls(*rejection.args)


class GuardedTransport(Generic[RequestT, ResponseT]):
    """A transport that sends requests through another one, guarded by breakers.

    It works in a `Client` and in an `AsyncClient` of its library, and is as
    thread-safe as `inner`. A client with an explicit transport does not apply
    its own `verify`, `limits`, `http2`, `proxy` and proxy environment variables:
    configure `inner` instead.

    Args:
        breaker: The breaker of all requests, or a function that returns the
            breaker of one; `None` leaves the request judged but unguarded.
        inner: The transport that sends; by default the library's own, made for
            the first request.
        judge: Makes the judge of a request, unless the request has the
            extension `JUDGE_EXTENSION`.

    Raises:
        TypeError: If `inner` is no transport of the library; on a request, if
            `inner` is for the other kind of client, or the client is of the
            other library.
    """

    library: ClassVar[Any]
    """The module `httpx` or `httpx2`: the names used here are the same in both."""
    rejection: ClassVar[type[RejectedRequest]]
    judged_body: ClassVar[type[JudgedBody]]
    judged_async_body: ClassVar[type[AsyncJudgedBody]]

    def __init__(
        self,
        breaker: CircuitBreaker | Callable[[RequestT], CircuitBreaker | None],
        inner: Any,
        judge: Callable[[RequestT], Judge],
    ) -> None:
        base, async_base = self.library.BaseTransport, self.library.AsyncBaseTransport
        if not isinstance(inner, base | async_base | None):
            hint = _where_to_import(inner)
            raise TypeError(f"not an {self.library.__name__} transport: {inner!r}{hint}")
        self._breaker_of = (lambda _: breaker) if isinstance(breaker, CircuitBreaker) else breaker
        self._make_judge = judge
        self._inner = inner
        self._sync = inner if isinstance(inner, base) else None
        self._async = inner if isinstance(inner, async_base) else None
        self._lock = threading.Lock()

    def handle_request(self, request: RequestT) -> ResponseT:
        """Send a request.

        Raises:
            RequestRejectedError: If its breaker does not admit it.
            TransportError: Whatever the inner transport raises.
        """
        self._check_library(request)
        inner = self._sync_transport()
        exchange = self._start_exchange(request)
        try:
            with exchange.being_sent():
                response = inner.handle_request(request)
            exchange.begin(response.status_code, response.headers)
        except BaseException as error:
            exchange.raised(error)
            raise
        return self._with_body(response, self.judged_body(response.stream, exchange), exchange)

    async def handle_async_request(self, request: RequestT) -> ResponseT:
        """Send a request.

        Raises:
            RequestRejectedError: If its breaker does not admit it.
            TransportError: Whatever the inner transport raises.
        """
        self._check_library(request)
        inner = self._async_transport()
        exchange = self._start_exchange(request)
        try:
            with exchange.being_sent():
                response = await inner.handle_async_request(request)
            exchange.begin(response.status_code, response.headers)
        except BaseException as error:
            exchange.raised(error)
            raise
        body = self.judged_async_body(response.stream, exchange)
        return self._with_body(response, body, exchange)

    def close(self) -> None:
        """Close the inner transport."""
        if self._sync is not None:
            self._sync.close()

    async def aclose(self) -> None:
        """Close the inner transport."""
        if self._async is not None:
            await self._async.aclose()

    def _check_library(self, request: object) -> None:
        if not isinstance(request, self.library.Request):
            name = self.library.__name__
            raise TypeError(
                f"a BreakerTransport for {name} in a client that sends {type(request)!r}"
                f"{_where_to_import(request)}"
            )

    def _start_exchange(self, request: RequestT) -> GuardedExchange:
        breaker = self._breaker_of(request)
        judge = cast("Judge | None", request.extensions.get(JUDGE_EXTENSION)) or self._make_judge(
            request
        )
        try:
            permit = breaker.acquire() if breaker is not None else None
        except CircuitOpenError as rejection:
            raise self.rejection.from_rejection(rejection) from None
        return GuardedExchange(judge, permit, request)

    def _sync_transport(self) -> Any:
        with self._lock:
            if self._sync is None:
                if self._inner is not None:
                    raise TypeError(
                        f"{self._inner!r} works in an {self.library.__name__}.AsyncClient only"
                    )
                self._sync = self.library.HTTPTransport()
            return self._sync

    def _async_transport(self) -> Any:
        with self._lock:
            if self._async is None:
                if self._inner is not None:
                    raise TypeError(
                        f"{self._inner!r} works in an {self.library.__name__}.Client only"
                    )
                self._async = self.library.AsyncHTTPTransport()
            return self._async

    def _with_body(self, response: ResponseT, body: object, exchange: GuardedExchange) -> ResponseT:
        # A new response: one whose content is loaded already would never read `body`.
        extensions: Mapping[str, Any] = {
            **response.extensions,
            EXCHANGE_EXTENSION: exchange,
        }
        return cast(
            "ResponseT",
            self.library.Response(
                response.status_code, headers=response.headers, stream=body, extensions=extensions
            ),
        )


class JudgedBody:
    """A body that is judged while it is read."""

    def __init__(self, body: Any, exchange: GuardedExchange) -> None:
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
        """Settle the exchange, and close the body."""
        self._exchange.stopped()
        self._body.close()


class AsyncJudgedBody:
    """A body that is judged while it is read."""

    def __init__(self, body: Any, exchange: GuardedExchange) -> None:
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
        """Settle the exchange, and close the body."""
        self._exchange.stopped()
        await self._body.aclose()


def _where_to_import(foreign: object) -> str:
    """Return advice on an object of the other library; empty if it is of neither."""
    kind = foreign if isinstance(foreign, type) else type(foreign)
    for base in kind.__mro__:
        name = base.__module__.partition(".")[0]
        if name in _MODULES:
            return f": for {name}, import BreakerTransport from {_MODULES[name]}"
    return ""
