"""Enforcing the deadlines of streamed responses, below the breaker, which sees failures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple, cast

import httpx

from fuseboard.http.judges.transport_error import DeadlineExceeded
from fuseboard.ollama.deadlines import Deadlines
from fuseboard.ollama.slow_stream import SlowStreamDetector

DEADLINES_EXTENSION = "fuseboard.deadlines"
"""The request extension with the `Deadlines` of the request."""

# Seconds. The pool above has reserved a connection, so no request waits inside httpx.
_HTTPX_POOL_TIMEOUT = 0.1


def httpx_timeout(deadlines: Deadlines) -> httpx.Timeout:
    """Return the timeouts that httpx itself enforces; `DeadlineTransport` enforces the rest."""
    return httpx.Timeout(None, connect=deadlines.connect, pool=_HTTPX_POOL_TIMEOUT)


class _ResponseTooLate(DeadlineExceeded, httpx.ReadTimeout):
    """A deadline passed, which is a timeout for whoever knows httpx."""


class DeadlineTransport(httpx.AsyncBaseTransport):
    """A transport that enforces each request's deadlines and raises `DeadlineExceeded`.

    Args:
        inner: The transport that sends.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, which must have the extension `DEADLINES_EXTENSION`.

        Raises:
            DeadlineExceeded: If the head of the response does not arrive in time.
            httpx.TransportError: Whatever the inner transport raises.
        """
        deadlines: Deadlines = request.extensions[DEADLINES_EXTENSION]
        started = asyncio.get_running_loop().time()
        deadline = _earliest(_total(deadlines, started), _first_token(deadlines, started))
        try:
            async with asyncio.timeout_at(deadline.at):
                response = await self._inner.handle_async_request(request)
        except TimeoutError:
            raise _ResponseTooLate(deadline.reason) from None
        if "Content-Encoding" in response.headers:
            deadlines = deadlines.for_object()  # lines cannot be counted in compressed data
        body = cast("httpx.AsyncByteStream", response.stream)
        return httpx.Response(
            response.status_code,
            headers=response.headers,
            stream=_DeadlineBody(body, deadlines, started),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close the inner transport."""
        await self._inner.aclose()


class _DeadlineBody(httpx.AsyncByteStream):
    def __init__(self, body: httpx.AsyncByteStream, deadlines: Deadlines, started: float) -> None:
        self._body = body
        self._deadlines = deadlines
        self._started = started

    async def __aiter__(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        deadlines = self._deadlines
        total = _total(deadlines, self._started)
        deadline = _earliest(total, _first_token(deadlines, self._started))
        detector: SlowStreamDetector | None = None
        chunks = aiter(self._body)
        while True:
            wait_started = loop.time()
            try:
                async with asyncio.timeout_at(deadline.at):
                    chunk = await anext(chunks)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise _ResponseTooLate(deadline.reason) from None
            if detector is not None:
                detector.add(loop.time() - wait_started, chunk.count(b"\n"))
            elif deadlines.slowest_pace:
                detector = SlowStreamDetector(deadlines.slowest_pace)
            yield chunk
            deadline = _earliest(total, _next_token(deadlines, loop.time()))
            if detector is not None:
                slow_at = loop.time() + detector.max_wait
                deadline = _earliest(deadline, _slowest_pace(deadlines, slow_at))

    async def aclose(self) -> None:
        await self._body.aclose()


class _Deadline(NamedTuple):
    """A time of the event loop's clock, and the reason for a failure when it passes."""

    at: float
    reason: str


def _earliest(*deadlines: _Deadline) -> _Deadline:
    return min(deadlines, key=lambda deadline: deadline.at)


def _total(deadlines: Deadlines, started: float) -> _Deadline:
    return _Deadline(started + deadlines.total, f"not finished within {deadlines.total:g} s")


def _first_token(deadlines: Deadlines, started: float) -> _Deadline:
    seconds = deadlines.first_token
    return _Deadline(started + seconds, f"no first token within {seconds:g} s")


def _next_token(deadlines: Deadlines, now: float) -> _Deadline:
    seconds = deadlines.between_tokens
    return _Deadline(now + seconds, f"no token for {seconds:g} s")


def _slowest_pace(deadlines: Deadlines, at: float) -> _Deadline:
    return _Deadline(at, f"slower than {deadlines.slowest_pace:g} tokens/s")
