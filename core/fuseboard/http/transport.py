"""The guarding transport for httpx.

httpx.Client(transport=BreakerTransport(breaker))
httpx.AsyncClient(transport=BreakerTransport(breaker))
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import httpx

from fuseboard.breaker.breaker import CircuitBreaker
from fuseboard.http.guarded_transport import (
    AsyncJudgedBody,
    GuardedTransport,
    JudgedBody,
    RejectedRequest,
)
from fuseboard.http.judge import Judge
from fuseboard.http.judges.http import http_judge


class RequestRejectedError(RejectedRequest, httpx.TransportError):
    """A breaker rejected a request; nothing was sent.

    It is a direct subclass of `httpx.TransportError`, which clients built on
    httpx pass on unchanged; some convert a `ConnectError` to another type.
    """


class _JudgedBody(JudgedBody, httpx.SyncByteStream):
    """A body as `httpx.Client` expects it."""


class _AsyncJudgedBody(AsyncJudgedBody, httpx.AsyncByteStream):
    """A body as `httpx.AsyncClient` expects it."""


class BreakerTransport(
    GuardedTransport[httpx.Request, httpx.Response],
    httpx.BaseTransport,
    httpx.AsyncBaseTransport,
):
    """A transport that guards what an `httpx.Client` or `httpx.AsyncClient` sends.

    See `GuardedTransport` for what it does and what its arguments mean.
    """

    library: ClassVar = httpx
    rejection = RequestRejectedError
    judged_body = _JudgedBody
    judged_async_body = _AsyncJudgedBody

    def __init__(
        self,
        breaker: CircuitBreaker | Callable[[httpx.Request], CircuitBreaker | None],
        inner: httpx.BaseTransport | httpx.AsyncBaseTransport | None = None,
        *,
        judge: Callable[[httpx.Request], Judge] = http_judge,
    ) -> None:
        super().__init__(breaker, inner, judge)
