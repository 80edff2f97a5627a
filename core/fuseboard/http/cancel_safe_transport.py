"""httpx's transport, made safe to cancel at any point."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, cast

import httpx

_PATIENCE = 1.0  # seconds; httpcore comes to the next point in a few steps of the loop


class CancelSafeTransport(httpx.AsyncHTTPTransport):
    """Ends every exchange properly, also one whose caller is cancelled.

    httpcore loses a connection for good where a request is cancelled between
    being given it and using it, or while it closes it (encode/httpcore#1093).
    So the work is done in tasks of its own, which stop only where httpcore
    cleans up after itself; the caller waits for that.
    """

    def __init__(self, limits: httpx.Limits) -> None:
        super().__init__(limits=limits)
        self._endings: set[asyncio.Task[None]] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; a trace that it brings is not heard."""
        progress = _Progress()
        request.extensions["trace"] = progress.trace
        sending = asyncio.create_task(super().handle_async_request(request))
        try:
            response = await asyncio.shield(sending)
        except asyncio.CancelledError:
            await self._to_its_end(_abandon(sending, progress))
            raise
        body = cast("httpx.AsyncByteStream", response.stream)
        return httpx.Response(
            response.status_code,
            headers=response.headers,
            stream=_CarefulBody(body, self._to_its_end),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close all connections."""
        if self._endings:
            await asyncio.wait(self._endings)
        await super().aclose()

    async def _to_its_end(self, ending: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(ending)
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)
        await asyncio.shield(task)


class _Progress:
    """How far a request has come, by what httpcore tells of it."""

    def __init__(self) -> None:
        self.may_stop = False
        self.shall_stop = False

    async def trace(self, event: str, _: object) -> None:
        if event.startswith("http11."):
            self.may_stop = not event.startswith("http11.response_closed")
        else:
            self.may_stop = event.endswith(".started")
        if self.may_stop and self.shall_stop:
            self.shall_stop = False
            raise asyncio.CancelledError


async def _abandon(sending: asyncio.Task[httpx.Response], progress: _Progress) -> None:
    if progress.may_stop:
        sending.cancel()
    else:
        progress.shall_stop = True
    if not (await asyncio.wait([sending], timeout=_PATIENCE))[0]:
        sending.cancel()
        await asyncio.wait([sending])
    if not sending.cancelled() and sending.exception() is None:
        await sending.result().aclose()


class _CarefulBody(httpx.AsyncByteStream):
    def __init__(
        self,
        body: httpx.AsyncByteStream,
        to_its_end: Callable[[Coroutine[Any, Any, None]], Awaitable[None]],
    ) -> None:
        self._body = body
        self._to_its_end = to_its_end

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for data in self._body:
            yield data

    async def aclose(self) -> None:
        await self._to_its_end(self._body.aclose())
