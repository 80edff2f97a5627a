"""Filling the cache with answers before anybody asks."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from fuseboard.breaker.errors import CircuitOpenError
from fuseboard.breaker.outcome import Verdict
from fuseboard.ollama.client import OllamaError
from fuseboard.snapshot.snapshot import WarmingSnapshot

_TRIES = 3
_PATIENCE = 1.0  # seconds until an open breaker that cannot say when is tried again

_logger = logging.getLogger(__name__)


async def _at_once() -> None:
    """There is always room."""


class CacheWarmer:
    """Asks every prompt, one at a time, through the breaker.

    It gives way while the breaker is open: what is rejected has not failed and
    is asked again when the breaker may be. What the server fails with comes
    up again after all others, a few times. What is cached already costs
    nothing, and `run()` after a stop goes on where it was. Belongs to one event
    loop; `snapshot()` may be called from any thread.

    Args:
        ask: Asks a prompt so that a cache keeps what comes.
        prompts: What it asks.
        room: Waits until the server has room for one more call.
    """

    def __init__(
        self,
        ask: Callable[[str], Awaitable[None]],
        prompts: Sequence[str],
        room: Callable[[], Awaitable[None]] = _at_once,
    ) -> None:
        self._ask = ask
        self._room = room
        self._left = deque((prompt, _TRIES) for prompt in prompts)
        self._total = len(self._left)
        self._done = 0
        self._failed = 0
        self._held_up = ""

    async def run(self) -> None:
        """Ask for everything that is not done, until it is or this is cancelled."""
        while self._left:
            prompt, tries = self._left[0]
            await self._room()
            try:
                await self._ask(prompt)
            except CircuitOpenError as rejection:
                self._held_up = rejection.breaker_name
                await asyncio.sleep(rejection.retry_after or _PATIENCE)
                continue
            except OllamaError as error:
                _logger.debug("a prompt was not answered: %s", error)
                if error.verdict is Verdict.FAILURE and tries > 1:
                    self._left.append((prompt, tries - 1))
                else:
                    self._failed += 1
            else:
                self._done += 1
            self._held_up = ""
            self._left.popleft()

    def snapshot(self) -> WarmingSnapshot:
        """Picture how far it is."""
        return WarmingSnapshot(self._done, self._failed, self._total, self._held_up)
