"""Deadlines for streamed answers, kept below the breaker so that it sees them as failures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple, cast

import httpx

from fuseboard.http.judge import DeadlineExceeded
from fuseboard.ollama.deadlines import Deadlines
from fuseboard.ollama.slow_stream import SlowStreamDetector

DEADLINES = "fuseboard.deadlines"
"""The request extension by which a request brings its `Deadlines`."""

# No call has to wait in httpx: who has a connection by our count has one by httpx's.
_WAIT_IN_HTTPX = 0.1


def httpx_timeout(deadlines: Deadlines) -> httpx.Timeout:
    """Return the timeout for httpx: what only it can keep; the rest is kept here."""
    return httpx.Timeout(None, connect=deadlines.connect, pool=_WAIT_IN_HTTPX)


class DeadlineTransport(httpx.AsyncBaseTransport):
    """Keeps the deadlines that every request of `inner` brings; raises `DeadlineExceeded`."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and wait for the head of its answer."""
        deadlines: Deadlines = request.extensions[DEADLINES]
        started = asyncio.get_running_loop().time()
        due = _earliest(_total(deadlines, started), _first_token(deadlines, started))
        try:
            async with asyncio.timeout_at(due.at):
                response = await self._inner.handle_async_request(request)
        except TimeoutError:
            raise DeadlineExceeded(due.missed) from None
        if "Content-Encoding" in response.headers:
            deadlines = deadlines.for_object()  # its lines cannot be counted
        body = cast("httpx.AsyncByteStream", response.stream)
        return httpx.Response(
            response.status_code,
            headers=response.headers,
            stream=_TimedBody(body, deadlines, started),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close the inner transport."""
        await self._inner.aclose()


class _TimedBody(httpx.AsyncByteStream):
    def __init__(self, body: httpx.AsyncByteStream, deadlines: Deadlines, started: float) -> None:
        self._body = body
        self._deadlines = deadlines
        self._started = started

    async def __aiter__(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        deadlines = self._deadlines
        total = _total(deadlines, self._started)
        due = _earliest(total, _first_token(deadlines, self._started))
        pace: SlowStreamDetector | None = None
        pieces = aiter(self._body)
        while True:
            asked = loop.time()
            try:
                async with asyncio.timeout_at(due.at):
                    piece = await anext(pieces)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise DeadlineExceeded(due.missed) from None
            if pace is not None:
                pace.add(loop.time() - asked, piece.count(b"\n"))
            elif deadlines.slowest_pace:
                pace = SlowStreamDetector(deadlines.slowest_pace)
            yield piece
            due = _earliest(total, _next_token(deadlines, loop.time()))
            if pace is not None:
                due = _earliest(due, _in_pace(deadlines, loop.time() + pace.patience))

    async def aclose(self) -> None:
        await self._body.aclose()


class _Due(NamedTuple):
    """When something must have come, and what is said if it has not."""

    at: float
    missed: str


def _earliest(*dues: _Due) -> _Due:
    return min(dues, key=lambda due: due.at)


def _total(deadlines: Deadlines, started: float) -> _Due:
    return _Due(started + deadlines.total, f"not finished within {deadlines.total:g} s")


def _first_token(deadlines: Deadlines, started: float) -> _Due:
    seconds = deadlines.first_token
    return _Due(started + seconds, f"no first token within {seconds:g} s")


def _next_token(deadlines: Deadlines, now: float) -> _Due:
    seconds = deadlines.between_tokens
    return _Due(now + seconds, f"no token for {seconds:g} s")


def _in_pace(deadlines: Deadlines, at: float) -> _Due:
    return _Due(at, f"slower than {deadlines.slowest_pace:g} tokens/s")
