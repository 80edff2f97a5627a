"""Filling the response cache before its first user needs it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from fuseboard.breaker.errors import CircuitOpenError
from fuseboard.breaker.outcome import Verdict
from fuseboard.ollama.client import OllamaError
from fuseboard.snapshot.snapshot import WarmingSnapshot

_MAX_ATTEMPTS = 3
_DEFAULT_RETRY_AFTER = 1.0  # seconds, if an open breaker does not know when it will admit calls

_logger = logging.getLogger(__name__)


async def _no_wait() -> None:
    """Return at once: there is always capacity."""


class CacheWarmer:
    """Call the model with each question, one at a time, so that the responses are cached.

    A call that the breaker rejects has not failed: it is repeated when the
    breaker may admit it. A call that the server fails is repeated after all
    others, up to three attempts. Cached questions cost nothing, and `run()` after
    a cancellation continues where it was. Belongs to one event loop;
    `snapshot()` may be called from any thread.

    Args:
        call: Calls the model with a question so that the response is cached.
        questions: The questions to warm the cache with.
        wait_for_capacity: Waits until the server has capacity for one more call.
    """

    def __init__(
        self,
        call: Callable[[str], Awaitable[None]],
        questions: Sequence[str],
        wait_for_capacity: Callable[[], Awaitable[None]] = _no_wait,
    ) -> None:
        self._call = call
        self._wait_for_capacity = wait_for_capacity
        self._remaining = deque((question, _MAX_ATTEMPTS) for question in questions)
        self._total = len(self._remaining)
        self._done = 0
        self._failed = 0
        self._open_breaker = ""

    async def run(self) -> None:
        """Make the remaining calls, until none is left or this is cancelled."""
        while self._remaining:
            question, attempts = self._remaining[0]
            await self._wait_for_capacity()
            try:
                await self._call(question)
            except CircuitOpenError as rejection:
                self._open_breaker = rejection.breaker_name
                await asyncio.sleep(rejection.retry_after or _DEFAULT_RETRY_AFTER)
                continue
            except OllamaError as error:
                _logger.debug("a prompt was not answered: %s", error)
                if error.verdict is Verdict.FAILURE and attempts > 1:
                    self._remaining.append((question, attempts - 1))
                else:
                    self._failed += 1
            else:
                self._done += 1
            self._open_breaker = ""
            self._remaining.popleft()

    def snapshot(self) -> WarmingSnapshot:
        """Return the progress."""
        return WarmingSnapshot(self._done, self._failed, self._total, self._open_breaker)
