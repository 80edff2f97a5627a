"""Calls at a set rate, so that there is something to watch."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from fuseboard.errors import CircuitOpenError
from fuseboard.ollama import CachingClient, Message, OllamaClient, OllamaError
from fuseboard.prompts import BUILT_IN
from fuseboard.snapshot import TrafficSnapshot

_logger = logging.getLogger(__name__)

_OPTIONS = {"num_predict": 48}
_GENERATES_PER_CHAT = 3


class Traffic:
    """Starts calls at `rate` a second, at most `concurrency` at once.

    Open loop: a slow server makes calls be skipped, not the clock go slower.
    Belongs to one event loop; `snapshot()` may be called from any thread.
    """

    def __init__(
        self, client: OllamaClient | CachingClient, model: str, rate: float, concurrency: int
    ) -> None:
        self._client = client
        self._model = model
        self._rate = rate
        self._concurrency = concurrency
        self._running = asyncio.Event()
        self._calls: set[asyncio.Task[None]] = set()
        self._skipped = 0
        self._questions = itertools.cycle(BUILT_IN)

    def start(self) -> None:
        """Begin making calls."""
        self._running.set()

    def stop(self) -> None:
        """Make no new calls; those under way go on."""
        self._running.clear()

    async def run(self) -> None:
        """Make calls whenever it is started, until cancelled; then drop those under way."""
        loop = asyncio.get_running_loop()
        next_at = loop.time()
        try:
            for make_call in self._kinds():
                if not self._running.is_set():
                    await self._running.wait()
                    next_at = loop.time()
                await asyncio.sleep(next_at - loop.time())
                next_at = max(next_at + 1 / self._rate, loop.time())
                if not self._running.is_set():
                    continue
                if len(self._calls) >= self._concurrency:
                    self._skipped += 1
                    continue
                call = asyncio.create_task(_survive(make_call()))
                self._calls.add(call)
                call.add_done_callback(self._calls.discard)
        finally:
            for call in self._calls:
                call.cancel()
            await asyncio.gather(*self._calls, return_exceptions=True)

    async def room(self) -> None:
        """Wait until as many calls as it lets be under way are not."""
        while len(self._calls) >= self._concurrency:
            await asyncio.wait(self._calls, return_when=asyncio.FIRST_COMPLETED)

    def snapshot(self) -> TrafficSnapshot:
        """Picture the traffic."""
        return TrafficSnapshot(
            running=self._running.is_set(),
            rate=self._rate,
            concurrency=self._concurrency,
            in_flight=len(self._calls),
            skipped=self._skipped,
        )

    def _kinds(self) -> itertools.cycle[Callable[[], Coroutine[Any, Any, None]]]:
        return itertools.cycle((*(self._generate,) * _GENERATES_PER_CHAT, self._chat))

    async def _generate(self) -> None:
        async for _ in self._client.generate(
            next(self._questions), model=self._model, options=_OPTIONS
        ):
            pass

    async def _chat(self) -> None:
        messages = [Message("user", next(self._questions))]
        async for _ in self._client.chat(messages, model=self._model, options=_OPTIONS):
            pass


async def _survive(call: Coroutine[Any, Any, None]) -> None:
    try:
        await call
    except (CircuitOpenError, OllamaError) as error:
        _logger.debug("a call of the traffic ended: %s", error)
    except Exception:
        _logger.exception("a call of the traffic broke")
