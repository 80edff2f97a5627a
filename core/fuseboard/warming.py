"""Filling the cache with answers before anybody asks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

from fuseboard.errors import CircuitOpenError
from fuseboard.ollama import CachingClient, OllamaError
from fuseboard.snapshot import WarmingSnapshot

OPTIONS = {"temperature": 0, "num_predict": 48}
"""What the prompts are asked with; only the same options find the answers again."""

_TRIES = 2
_PATIENCE = 1.0  # seconds until an open breaker that cannot say when is tried again

_logger = logging.getLogger(__name__)


class Warming:
    """Asks for the completion of each prompt, one at a time, through the breaker.

    It gives way while the breaker is open: what is rejected has not failed and
    is asked again when the breaker may be. What is cached already costs
    nothing, and `run()` after a stop goes on where it was. Belongs to one event
    loop; `snapshot()` may be called from any thread.
    """

    def __init__(self, client: CachingClient, model: str, prompts: Sequence[str]) -> None:
        self._client = client
        self._model = model
        self._prompts = tuple(prompts)
        self._done = 0
        self._failed = 0
        self._held_up = ""

    async def run(self) -> None:
        """Ask for everything that is not done, until it is or this is cancelled."""
        while self._done + self._failed < len(self._prompts):
            if await self._answered(self._prompts[self._done + self._failed]):
                self._done += 1
            else:
                self._failed += 1

    def snapshot(self) -> WarmingSnapshot:
        """Picture how far it is."""
        return WarmingSnapshot(self._done, self._failed, len(self._prompts), self._held_up)

    async def _answered(self, prompt: str) -> bool:
        tries = 0
        while tries < _TRIES:
            try:
                await self._ask(prompt)
            except CircuitOpenError as rejection:
                self._held_up = rejection.breaker_name
                await asyncio.sleep(rejection.retry_after or _PATIENCE)
            except OllamaError as error:
                self._held_up = ""
                tries += 1
                _logger.debug("a prompt was not answered: %s", error)
            else:
                self._held_up = ""
                return True
        return False

    async def _ask(self, prompt: str) -> None:
        stream: Any = self._client.generate(prompt, model=self._model, options=OPTIONS)
        async with aclosing(stream) as pieces:
            async for _ in pieces:
                pass
