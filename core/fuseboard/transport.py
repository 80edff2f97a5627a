"""Circuit breakers as an httpx transport: the verdict comes when the answer is over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import cast

import httpx

from fuseboard.breaker import CircuitBreaker, Permit
from fuseboard.errors import CircuitOpenError
from fuseboard.judge import Judge, rule_on_error
from fuseboard.verdict import Ruling, Verdict

JUDGE = "fuseboard.judge"
"""The request extension by which a client brings a judge of its own."""


class RequestRejectedError(CircuitOpenError, httpx.TransportError):
    """A breaker did not let a request out.

    It is a direct `httpx.TransportError`, which clients built on httpx pass on
    as it is; some of them turn a `ConnectError` into something else.
    """

    _request: httpx.Request | None = None

    @classmethod
    def from_rejection(cls, rejection: CircuitOpenError) -> RequestRejectedError:
        """Make one out of a breaker's own error."""
        return cls(
            rejection.breaker_name,
            rejection.state,
            rejection.rejected_because,
            since=rejection.since,
            open_seconds=rejection.open_seconds,
            why=rejection.why,
            retry_after=rejection.retry_after,
        )


class BreakerTransport(httpx.AsyncBaseTransport):
    """Sends requests through `inner`, guarded by breakers.

    Args:
        inner: The transport that does the work.
        breaker: Says which breaker guards a request; `None` leaves it judged but unguarded.
        judge: Makes the judge of a request, unless the request brings its own.
    """

    def __init__(
        self,
        inner: httpx.AsyncBaseTransport,
        *,
        breaker: Callable[[httpx.Request], CircuitBreaker | None],
        judge: Callable[[httpx.Request], Judge],
    ) -> None:
        self._inner = inner
        self._breaker = breaker
        self._judge = judge

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request.

        Raises:
            RequestRejectedError: If its breaker does not admit it.
            httpx.TransportError: Whatever the inner transport raises.
        """
        breaker = self._breaker(request)
        judge = cast("Judge", request.extensions.get(JUDGE)) or self._judge(request)
        try:
            permit = breaker.acquire() if breaker else None
        except CircuitOpenError as rejection:
            raise RequestRejectedError.from_rejection(rejection) from None
        try:
            response = await self._inner.handle_async_request(request)
            judge.begin(response.status_code)
        except BaseException as error:
            _settle(permit, rule_on_error(error))
            raise
        body = cast("httpx.AsyncByteStream", response.stream)
        return httpx.Response(
            response.status_code,
            headers=response.headers,
            stream=_JudgedBody(body, judge, permit),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close the inner transport."""
        await self._inner.aclose()


class _JudgedBody(httpx.AsyncByteStream):
    """Passes a body on and settles the permit exactly once, however the body ends."""

    def __init__(self, body: httpx.AsyncByteStream, judge: Judge, permit: Permit | None) -> None:
        self._body = body
        self._judge = judge
        self._permit = permit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for data in self._body:
                self._judge.feed(data)
                yield data
        except BaseException as error:
            self._settle_early(rule_on_error(error))
            raise
        _settle(self._permit, self._judge.rule(ended=True))

    async def aclose(self) -> None:
        self._settle_early(None)
        await self._body.aclose()

    def _settle_early(self, otherwise: Ruling | None) -> None:
        """Settle an answer that was not read to its end; what the judge has seen counts first."""
        _settle(self._permit, self._judge.rule(ended=False) or otherwise)


def _settle(permit: Permit | None, ruling: Ruling | None) -> None:
    if permit is None:
        return
    if ruling is None or ruling.verdict is Verdict.IGNORED:
        permit.ignore()
    elif ruling.verdict is Verdict.FAILURE:
        permit.failure(ruling.reason)
    else:
        permit.success()
