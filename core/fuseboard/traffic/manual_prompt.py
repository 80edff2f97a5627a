"""One prompt that a person asks, and its answer as it streams in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing

from msgspec.structs import replace

from fuseboard.breaker.errors import CircuitOpenError
from fuseboard.ollama.client import OllamaClient, OllamaError, Operation
from fuseboard.ollama.responses import TextChunk
from fuseboard.snapshot.snapshot import AnswerState, PromptSnapshot

MAX_ANSWER_LENGTH = 16_384
"""Characters of an answer, and of its thinking, that are stored; of longer ones, the end."""

_logger = logging.getLogger(__name__)


class ManualPrompt:
    """Ask one prompt at a time; the answer comes from the model, never from a cache.

    Belongs to one event loop; `snapshot()` may be called from any thread.

    Args:
        client: Calls the model.
        model: The model's name.
        clock: Seconds, monotonic.
    """

    def __init__(self, client: OllamaClient, model: str, clock: Callable[[], float]) -> None:
        self._client = client
        self._clock = clock
        self._no_prompt = PromptSnapshot(model, Operation.GENERATE.breaker_name)
        # One attribute, so that another thread reads a snapshot and its start that belong together.
        self._current: tuple[PromptSnapshot, float] = (self._no_prompt, 0.0)
        self._task: asyncio.Task[None] | None = None

    def ask(self, prompt: str) -> None:
        """Ask a prompt in place of the one that is being answered."""
        self._cancel()
        waiting = replace(self._no_prompt, state=AnswerState.WAITING, prompt=prompt)
        self._current = (waiting, self._clock())
        self._task = asyncio.create_task(self._ask(prompt))

    def stop(self) -> None:
        """Cancel the prompt that is being answered; do nothing if there is none."""
        if self._cancel():
            self._end(AnswerState.STOPPED, "stopped by hand")

    def snapshot(self) -> PromptSnapshot:
        """Return the prompt and its answer so far."""
        prompt, asked_at = self._current
        if not prompt.state.under_way:
            return prompt
        return replace(prompt, seconds=max(self._clock() - asked_at, 0.0))

    def _cancel(self) -> bool:
        """Cancel the call in progress; return whether there was one."""
        task, self._task = self._task, None
        return task is not None and task.cancel()

    async def _ask(self, prompt: str) -> None:
        try:
            chunks = self._client.generate(prompt, model=self._no_prompt.model)
            async with aclosing(chunks):
                async for chunk in chunks:
                    self._append(chunk)
        except CircuitOpenError as error:
            self._end_if_current(AnswerState.REJECTED, str(error))
        except OllamaError as error:
            self._end_if_current(AnswerState.FAILED, error.reason)
        except Exception as error:
            _logger.exception("a prompt that was asked by hand broke")
            self._end_if_current(AnswerState.FAILED, f"{type(error).__name__}: {error}")
        else:
            self._end_if_current(AnswerState.COMPLETE, self._current[0].reason)

    def _append(self, chunk: TextChunk) -> None:
        prompt, asked_at = self._current
        first_token = prompt.first_token
        if first_token is None and (chunk.text or chunk.thinking):
            first_token = self._clock() - asked_at
        text = prompt.answer + chunk.text
        thinking = prompt.thinking + chunk.thinking
        prompt = replace(
            prompt,
            state=AnswerState.STREAMING,
            answer=text[-MAX_ANSWER_LENGTH:],
            omitted=prompt.omitted + max(len(text) - MAX_ANSWER_LENGTH, 0),
            thinking=thinking[-MAX_ANSWER_LENGTH:],
            omitted_thinking=prompt.omitted_thinking + max(len(thinking) - MAX_ANSWER_LENGTH, 0),
            first_token=first_token,
        )
        if chunk.done:
            prompt = replace(
                prompt,
                reason=chunk.done_reason,
                tokens=chunk.tokens,
                tokens_per_second=(
                    chunk.tokens / chunk.text_seconds if chunk.text_seconds else 0.0
                ),
            )
        self._current = (prompt, asked_at)

    def _end_if_current(self, state: AnswerState, reason: str) -> None:
        """End the prompt of the running task, unless it has been cancelled or replaced."""
        if asyncio.current_task() is self._task:
            self._task = None
            self._end(state, reason)

    def _end(self, state: AnswerState, reason: str) -> None:
        prompt, asked_at = self._current
        seconds = self._clock() - asked_at
        self._current = (replace(prompt, state=state, reason=reason, seconds=seconds), asked_at)
        _logger.info("the prompt asked by hand: %s after %.1f s: %s", state.value, seconds, reason)
