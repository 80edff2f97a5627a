"""The guarding transport for httpx2.

    httpx2.Client(transport=BreakerTransport(breaker))
    httpx2.AsyncClient(transport=BreakerTransport(breaker))

openai from 3 and anthropic from 1 are built on httpx2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import httpx2

from fuseboard.breaker.breaker import CircuitBreaker
from fuseboard.http.guarded_transport import (
    AsyncJudgedBody,
    GuardedTransport,
    JudgedBody,
    RejectedRequest,
)
from fuseboard.http.judge import Judge
from fuseboard.http.judges.http import http_judge


class RequestRejectedError(RejectedRequest, httpx2.TransportError):
    """A breaker rejected a request; nothing was sent.

    It is a direct subclass of `httpx2.TransportError`, which clients built on
    httpx2 pass on unchanged; some convert a `ConnectError` to another type.
    """


class _JudgedBody(JudgedBody, httpx2.SyncByteStream):
    """A body as `httpx2.Client` expects it."""


class _AsyncJudgedBody(AsyncJudgedBody, httpx2.AsyncByteStream):
    """A body as `httpx2.AsyncClient` expects it."""


class BreakerTransport(
    GuardedTransport[httpx2.Request, httpx2.Response],
    httpx2.BaseTransport,
    httpx2.AsyncBaseTransport,
):
    """A transport that guards what an `httpx2.Client` or `httpx2.AsyncClient` sends.

    See `GuardedTransport` for what it does and what its arguments mean.
    """

    library: ClassVar = httpx2
    rejection = RequestRejectedError
    judged_body = _JudgedBody
    judged_async_body = _AsyncJudgedBody

    def __init__(
        self,
        breaker: CircuitBreaker | Callable[[httpx2.Request], CircuitBreaker | None],
        inner: httpx2.BaseTransport | httpx2.AsyncBaseTransport | None = None,
        *,
        judge: Callable[[httpx2.Request], Judge] = http_judge,
    ) -> None:
        super().__init__(breaker, inner, judge)
