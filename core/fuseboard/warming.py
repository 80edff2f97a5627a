"""Filling the cache with answers before anybody asks."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from fuseboard.errors import CircuitOpenError
from fuseboard.ollama import CachingClient, OllamaError
from fuseboard.snapshot import WarmingSnapshot
from fuseboard.verdict import Verdict

OPTIONS = {"temperature": 0, "num_predict": 48}
"""What the prompts are asked with; only the same options find the answers again."""

_TRIES = 3
_PATIENCE = 1.0  # seconds until an open breaker that cannot say when is tried again

_logger = logging.getLogger(__name__)


async def _at_once() -> None:
    """There is always room."""


class Warming:
    """Asks for the completion of each prompt, one at a time, through the breaker.

    It gives way while the breaker is open: what is rejected has not failed and
    is asked again when the breaker may be. What the server fails with comes
    up again after all others, a few times. What is cached already costs
    nothing, and `run()` after a stop goes on where it was. Belongs to one event
    loop; `snapshot()` may be called from any thread.

    Args:
        client: Whom it asks.
        model: Whose answers are cached.
        prompts: What it asks.
        room: Waits until the server has room for one more call.
    """

    def __init__(
        self,
        client: CachingClient,
        model: str,
        prompts: Sequence[str],
        room: Callable[[], Awaitable[None]] = _at_once,
    ) -> None:
        self._client = client
        self._model = model
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

    async def _ask(self, prompt: str) -> None:
        async for _ in self._client.generate(prompt, model=self._model, options=OPTIONS):
            pass
