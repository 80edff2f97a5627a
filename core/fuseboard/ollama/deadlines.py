"""Deadlines for streamed answers, kept below the breaker so that it sees them as failures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import cast

import httpx

from fuseboard.judge import DeadlineExceeded


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long each part of an exchange may take, in seconds.

    Raises `ValueError` if one is not a positive number.
    """

    pool: float = 30.0
    """Until a connection is free; a call that waits longer is never sent."""
    connect: float = 2.0
    """Until the TCP connection stands."""
    first_token: float = 5.0
    """Until the first bytes of the answer's body; queueing and loading are in it."""
    between_tokens: float = 5.0
    """From any piece of the body to the next."""
    total: float = 60.0
    """Until the end of the body; catches a drip, which the others never do."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            seconds = getattr(self, name)
            if not 0 < seconds < float("inf"):
                raise ValueError(f"the {name} deadline must be a positive number, not {seconds!r}")

    def for_httpx(self) -> httpx.Timeout:
        """Give httpx the one deadline that only it can keep; the rest are kept here."""
        return httpx.Timeout(None, connect=self.connect)


class DeadlineTransport(httpx.AsyncBaseTransport):
    """Keeps `deadlines` over every exchange of `inner`; raises `DeadlineExceeded`."""

    def __init__(self, inner: httpx.AsyncBaseTransport, deadlines: Deadlines) -> None:
        self._inner = inner
        self._deadlines = deadlines

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and wait for the head of its answer."""
        started = asyncio.get_running_loop().time()
        first_by = started + self._deadlines.first_token
        try:
            async with asyncio.timeout_at(first_by):
                response = await self._inner.handle_async_request(request)
        except TimeoutError:
            raise _no_first_token(self._deadlines) from None
        body = cast("httpx.AsyncByteStream", response.stream)
        return httpx.Response(
            response.status_code,
            headers=response.headers,
            stream=_TimedBody(body, self._deadlines, started),
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
        total_by = self._started + deadlines.total
        next_by = self._started + deadlines.first_token
        late = _no_first_token(deadlines)
        pieces = aiter(self._body)
        while True:
            try:
                async with asyncio.timeout_at(min(next_by, total_by)):
                    piece = await anext(pieces)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise (late if next_by <= total_by else _not_finished(deadlines)) from None
            yield piece
            next_by = loop.time() + deadlines.between_tokens
            late = _gap(deadlines)

    async def aclose(self) -> None:
        await self._body.aclose()


def _no_first_token(deadlines: Deadlines) -> DeadlineExceeded:
    return DeadlineExceeded(f"no first token within {deadlines.first_token:g} s")


def _gap(deadlines: Deadlines) -> DeadlineExceeded:
    return DeadlineExceeded(f"no token for {deadlines.between_tokens:g} s")


def _not_finished(deadlines: Deadlines) -> DeadlineExceeded:
    return DeadlineExceeded(f"not finished within {deadlines.total:g} s")
