"""Calls at a set rate, so that there is something to watch."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from math import inf
from typing import Any

from fuseboard.breaker.errors import CircuitOpenError
from fuseboard.ollama.client import OllamaError
from fuseboard.snapshot.snapshot import TrafficSnapshot
from fuseboard.snapshot.traffic_kind import TrafficKind

_logger = logging.getLogger(__name__)


class TrafficGenerator:
    """Starts calls at `rate` a second, at most `concurrency` at once.

    Open loop: a slow server makes calls be skipped, not the clock go slower.
    Belongs to one event loop; `snapshot()` may be called from any thread.

    Args:
        kind: What is told of it.
        make_call: Makes one call, which may be several to the server.
        rate: Calls a second.
        concurrency: How many may be under way at once.
    """

    def __init__(
        self,
        kind: TrafficKind,
        make_call: Callable[[], Coroutine[Any, Any, None]],
        rate: float,
        concurrency: int,
    ) -> None:
        self._kind = kind
        self._make_call = make_call
        self._rate = rate
        self._concurrency = concurrency
        self._running = asyncio.Event()
        self._calls: set[asyncio.Task[None]] = set()
        self._skipped = 0
        self._next_at = 0.0  # on the loop's clock
        self._repaced = asyncio.Event()

    def start(self) -> None:
        """Begin making calls."""
        _logger.info("traffic begins, %g calls a second", self._rate)
        self._running.set()

    def stop(self) -> None:
        """Make no new calls; those under way go on."""
        _logger.info("traffic stops")
        self._running.clear()

    def set_rate(self, rate: float) -> None:
        """Start `rate` calls a second from now on.

        Raises:
            ValueError: If that is no number above 0.
        """
        if not 0 < rate < inf:
            raise ValueError(f"a rate is a number above 0, not {rate:g}")
        _logger.info("traffic at %g calls a second", rate)
        self._rate = rate
        now = asyncio.get_running_loop().time()
        self._next_at = min(self._next_at, now + 1 / rate)
        self._repaced.set()

    async def run(self) -> None:
        """Make calls whenever it is started, until cancelled; then drop those under way."""
        loop = asyncio.get_running_loop()
        self._next_at = loop.time()
        try:
            while True:
                if not self._running.is_set():
                    await self._running.wait()
                    self._next_at = loop.time()
                await self._until_due()
                self._next_at = max(self._next_at + 1 / self._rate, loop.time())
                if not self._running.is_set():
                    continue
                if len(self._calls) >= self._concurrency:
                    self._skipped += 1
                    continue
                call = asyncio.create_task(_survive(self._make_call()))
                self._calls.add(call)
                call.add_done_callback(self._calls.discard)
        finally:
            for call in self._calls:
                call.cancel()
            await asyncio.gather(*self._calls, return_exceptions=True)

    async def _until_due(self) -> None:
        """Wait until the next call is due, also where that comes to be sooner."""
        loop = asyncio.get_running_loop()
        while (left := self._next_at - loop.time()) > 0:
            self._repaced.clear()
            try:
                async with asyncio.timeout(left):
                    await self._repaced.wait()
            except TimeoutError:
                return
        await asyncio.sleep(0)

    async def room(self) -> None:
        """Wait until as many calls as it lets be under way are not."""
        while len(self._calls) >= self._concurrency:
            await asyncio.wait(self._calls, return_when=asyncio.FIRST_COMPLETED)

    def snapshot(self) -> TrafficSnapshot:
        """Picture the traffic."""
        return TrafficSnapshot(
            kind=self._kind,
            running=self._running.is_set(),
            rate=self._rate,
            concurrency=self._concurrency,
            in_flight=len(self._calls),
            skipped=self._skipped,
        )


async def _survive(call: Coroutine[Any, Any, None]) -> None:
    try:
        await call
    except (CircuitOpenError, OllamaError) as error:
        _logger.debug("a call of the traffic ended: %s", error)
    except Exception:
        _logger.exception("a call of the traffic broke")
