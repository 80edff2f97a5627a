"""Asking one prompt by hand, and keeping the answer as it comes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace

from fuseboard.breaker.errors import CircuitOpenError
from fuseboard.ollama.client import OllamaClient, OllamaError, Operation
from fuseboard.ollama.responses import TextChunk
from fuseboard.snapshot.snapshot import AnswerState, PromptSnapshot

LONGEST_KEPT = 16_384
"""Characters of an answer; of a longer one the end is kept."""

_logger = logging.getLogger(__name__)


class ManualPrompt:
    """Asks one prompt at a time; answers come from the model, never from a cache.

    Belongs to one event loop; `snapshot()` may be called from any thread.

    Args:
        client: Whom it asks.
        model: The model that shall answer.
        clock: Seconds.
    """

    def __init__(self, client: OllamaClient, model: str, clock: Callable[[], float]) -> None:
        self._client = client
        self._clock = clock
        self._nothing = PromptSnapshot(model, Operation.GENERATE.breaker_name)
        # What is seen of a prompt and when it was asked change together.
        self._asked: tuple[PromptSnapshot, float] = (self._nothing, 0.0)
        self._asking: asyncio.Task[None] | None = None

    def ask(self, prompt: str) -> None:
        """Ask a prompt, in place of the one that is being answered."""
        self._drop()
        waiting = replace(self._nothing, state=AnswerState.WAITING, prompt=prompt)
        self._asked = (waiting, self._clock())
        self._asking = asyncio.create_task(self._ask(prompt))

    def stop(self) -> None:
        """Wait no longer for what is still to come of the answer."""
        if self._drop():
            self._end(AnswerState.STOPPED, "stopped by hand")

    def snapshot(self) -> PromptSnapshot:
        """Picture the prompt and its answer so far."""
        seen, asked_at = self._asked
        if not seen.state.under_way:
            return seen
        return replace(seen, seconds=max(self._clock() - asked_at, 0.0))

    def _drop(self) -> bool:
        """Cancel what is under way, if anything is."""
        asking, self._asking = self._asking, None
        return asking is not None and asking.cancel()

    async def _ask(self, prompt: str) -> None:
        try:
            async with aclosing(self._client.generate(prompt, model=self._nothing.model)) as answer:
                async for piece in answer:
                    self._take(piece)
        except CircuitOpenError as error:
            self._end_own(AnswerState.REJECTED, str(error))
        except OllamaError as error:
            self._end_own(AnswerState.FAILED, error.reason)
        except Exception as error:
            _logger.exception("a prompt that was asked by hand broke")
            self._end_own(AnswerState.FAILED, f"{type(error).__name__}: {error}")
        else:
            self._end_own(AnswerState.COMPLETE, self._asked[0].why)

    def _take(self, piece: TextChunk) -> None:
        seen, asked_at = self._asked
        first = seen.first_token
        if first is None and piece.text:
            first = self._clock() - asked_at
        text = seen.text + piece.text
        seen = replace(
            seen,
            state=AnswerState.STREAMING,
            text=text[-LONGEST_KEPT:],
            cut=seen.cut + max(len(text) - LONGEST_KEPT, 0),
            first_token=first,
        )
        if piece.done:
            rate = piece.tokens / piece.text_seconds if piece.text_seconds else 0.0
            seen = replace(seen, why=piece.done_reason, tokens=piece.tokens, tokens_per_second=rate)
        self._asked = (seen, asked_at)

    def _end_own(self, state: AnswerState, why: str) -> None:
        """Say how the prompt of this task has ended, unless nobody waits for it any more."""
        if asyncio.current_task() is self._asking:
            self._asking = None
            self._end(state, why)

    def _end(self, state: AnswerState, why: str) -> None:
        seen, asked_at = self._asked
        seconds = self._clock() - asked_at
        self._asked = (replace(seen, state=state, why=why, seconds=seconds), asked_at)
        _logger.info("the prompt asked by hand: %s after %.1f s: %s", state.value, seconds, why)
