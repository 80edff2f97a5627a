"""httpx's transport, made safe to cancel at any point."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, cast

import httpx

_GRACE = 1.0  # seconds; httpcore reaches the next safe point within a few steps of the loop


class CancelSafeTransport(httpx.AsyncHTTPTransport):
    """A transport that loses no connection when a caller is cancelled.

    httpcore loses a connection for good if a request is cancelled between
    acquiring the connection and using it, or while closing it
    (encode/httpcore#1093). Requests therefore run in tasks of their own, which
    are cancelled only where httpcore cleans up after itself; a cancelled caller
    waits for that. `tests/core/http/test_cancellation.py` says when the bug is mended.
    """

    def __init__(self, limits: httpx.Limits) -> None:
        super().__init__(limits=limits)
        self._cleanups: set[asyncio.Task[None]] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; its `trace` extension is replaced."""
        progress = _Progress()
        request.extensions["trace"] = progress.trace
        sending = asyncio.create_task(super().handle_async_request(request))
        try:
            response = await asyncio.shield(sending)
        except asyncio.CancelledError:
            await self._run_shielded(_cancel_safely(sending, progress))
            raise
        body = cast("httpx.AsyncByteStream", response.stream)
        return httpx.Response(
            response.status_code,
            headers=response.headers,
            stream=_CancelSafeBody(body, self._run_shielded),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Finish cleaning up and close all connections."""
        if self._cleanups:
            await asyncio.wait(self._cleanups)
        await super().aclose()

    async def _run_shielded(self, cleanup: Coroutine[Any, Any, None]) -> None:
        """Wait for `cleanup`, which goes on if the waiting caller is cancelled."""
        task = asyncio.create_task(cleanup)
        self._cleanups.add(task)
        task.add_done_callback(self._cleanups.discard)
        await asyncio.shield(task)


class _Progress:
    """Whether a request can be cancelled now, according to httpcore's trace events."""

    def __init__(self) -> None:
        self.can_cancel = False
        self.cancel_requested = False

    async def trace(self, event: str, _: object) -> None:
        if event.startswith("http11."):
            self.can_cancel = not event.startswith("http11.response_closed")
        else:
            self.can_cancel = event.endswith(".started")
        if self.can_cancel and self.cancel_requested:
            self.cancel_requested = False
            raise asyncio.CancelledError


async def _cancel_safely(sending: asyncio.Task[httpx.Response], progress: _Progress) -> None:
    """Cancel a request at the next safe point, at the latest after `_GRACE` seconds."""
    if progress.can_cancel:
        sending.cancel()
    else:
        progress.cancel_requested = True
    if not (await asyncio.wait([sending], timeout=_GRACE))[0]:
        sending.cancel()
        await asyncio.wait([sending])
    if not sending.cancelled() and sending.exception() is None:
        await sending.result().aclose()


class _CancelSafeBody(httpx.AsyncByteStream):
    def __init__(
        self,
        body: httpx.AsyncByteStream,
        run_shielded: Callable[[Coroutine[Any, Any, None]], Awaitable[None]],
    ) -> None:
        self._body = body
        self._run_shielded = run_shielded

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for data in self._body:
            yield data

    async def aclose(self) -> None:
        await self._run_shielded(self._body.aclose())
