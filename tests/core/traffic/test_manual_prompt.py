"""A manual prompt: its answer, and every way in which it can fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from fuseboard.breaker.breaker import CircuitBreaker
from fuseboard.ollama import OllamaClient, Operation
from fuseboard.snapshot.snapshot import AnswerState, PromptSnapshot
from fuseboard.traffic.manual_prompt import MAX_ANSWER_LENGTH, ManualPrompt
from tests.core.clock import ManualClock
from tests.core.serving import served

Chunks = asyncio.Queue[dict[str, object] | None]
FIGURES = {"done": True, "done_reason": "stop", "eval_count": 6, "eval_duration": 2_000_000_000}


class Scene:
    """A manual prompt whose answer the test sends, chunk by chunk."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.breaker = CircuitBreaker("ollama_generate", clock=self.clock)
        self.prompts: list[str] = []
        self.status = 200
        self.chunks: Chunks = asyncio.Queue()  # of the next request
        self.manual_prompt: ManualPrompt

    async def respond(self, request: Request) -> Response:
        self.prompts.append((await request.json())["prompt"])
        if self.status != 200:
            return JSONResponse({"error": "out of memory"}, self.status)
        return StreamingResponse(_stream(self.chunks), media_type="application/x-ndjson")

    def send(self, *texts: str) -> None:
        for text in texts:
            self.chunks.put_nowait({"response": text, "done": False})

    def finish(self, **figures: object) -> None:
        self.chunks.put_nowait({"response": "", **FIGURES, **figures})
        self.chunks.put_nowait(None)

    async def until(self, condition: Callable[[PromptSnapshot], bool]) -> PromptSnapshot:
        for _ in range(2000):
            if condition(seen := self.manual_prompt.snapshot()):
                return seen
            await asyncio.sleep(0.005)
        raise AssertionError(f"condition never held: {self.manual_prompt.snapshot()}")

    async def ended(self) -> PromptSnapshot:
        return await self.until(lambda seen: not seen.state.under_way)


async def _stream(chunks: Chunks) -> AsyncIterator[bytes]:
    while (chunk := await chunks.get()) is not None:
        yield json.dumps({"model": "m", **chunk}).encode() + b"\n"


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    it = Scene()
    app = Starlette(routes=[Route("/api/generate", it.respond, methods=["POST"])])
    breakers = {Operation.GENERATE: it.breaker}
    async with served(app) as url, OllamaClient(url, breakers) as client:
        it.manual_prompt = ManualPrompt(client, "m", it.clock)
        yield it
        it.manual_prompt.stop()
        it.chunks.put_nowait(None)


async def test_nothing_asked() -> None:
    async with scene() as it:
        assert it.manual_prompt.snapshot() == PromptSnapshot("m", "ollama_generate")
        it.manual_prompt.stop()
        assert it.manual_prompt.snapshot().state is AnswerState.NONE


async def test_an_answer_streams_in() -> None:
    async with scene() as it:
        it.manual_prompt.ask("why is the sky blue?")
        assert it.manual_prompt.snapshot().state is AnswerState.WAITING
        await it.until(lambda _: bool(it.prompts))
        it.clock.advance(1.5)
        assert it.manual_prompt.snapshot().seconds == 1.5
        it.send("Because ")
        seen = await it.until(lambda seen: bool(seen.answer))
        assert (seen.state, seen.answer, seen.first_token) == (
            AnswerState.STREAMING,
            "Because ",
            1.5,
        )
        it.clock.advance(2.5)
        it.send("of light.")
        it.finish()
        seen = await it.ended()
        it.clock.advance(100)
        assert it.manual_prompt.snapshot() == PromptSnapshot(
            "m",
            "ollama_generate",
            AnswerState.COMPLETE,
            prompt="why is the sky blue?",
            answer="Because of light.",
            reason="stop",
            seconds=4.0,
            first_token=1.5,
            tokens=6,
            tokens_per_second=3.0,
        )
        assert it.prompts == ["why is the sky blue?"]
        assert it.breaker.snapshot().calls.success == 1


async def test_a_model_that_thinks_first() -> None:
    async with scene() as it:
        it.manual_prompt.ask("?")
        await it.until(lambda _: bool(it.prompts))
        it.clock.advance(1.5)
        it.chunks.put_nowait({"response": "", "thinking": "Let me ", "done": False})
        seen = await it.until(lambda seen: bool(seen.thinking))
        assert (seen.state, seen.answer, seen.first_token) == (AnswerState.STREAMING, "", 1.5)
        it.chunks.put_nowait({"response": "", "thinking": "see.", "done": False})
        it.clock.advance(1)
        it.send("No.")
        it.finish(thinking="")
        seen = await it.ended()
        assert (seen.thinking, seen.answer, seen.first_token) == ("Let me see.", "No.", 1.5)
        assert seen.tokens == 6


async def test_very_long_thinking_is_cut_at_its_beginning() -> None:
    async with scene() as it:
        it.manual_prompt.ask("?")
        for text in ("a" * MAX_ANSWER_LENGTH, "b" * 7):
            it.chunks.put_nowait({"response": "", "thinking": text, "done": False})
        it.finish(done_reason="length")
        seen = await it.ended()
        assert len(seen.thinking) == MAX_ANSWER_LENGTH
        assert seen.thinking.endswith("ab" + "b" * 6)
        assert (seen.omitted_thinking, seen.omitted) == (7, 0)
        assert (seen.state, seen.answer, seen.reason) == (AnswerState.COMPLETE, "", "length")


async def test_a_server_that_does_not_measure() -> None:
    async with scene() as it:
        it.manual_prompt.ask("?")
        it.send("!")
        it.finish(eval_duration=0)
        assert (await it.ended()).tokens_per_second == 0


async def test_a_failure_has_a_reason() -> None:
    async with scene() as it:
        it.status = 500
        it.manual_prompt.ask("?")
        seen = await it.ended()
        assert (seen.state, seen.reason) == (AnswerState.FAILED, "HTTP 500: out of memory")
        assert it.breaker.snapshot().calls.failure == 1


async def test_an_answer_that_breaks_off_keeps_its_beginning() -> None:
    async with scene() as it:
        it.manual_prompt.ask("?")
        it.send("half of")
        it.chunks.put_nowait(None)
        seen = await it.ended()
        assert (seen.state, seen.answer) == (AnswerState.FAILED, "half of")
        assert seen.reason


async def test_an_open_breaker_rejects_it() -> None:
    async with scene() as it:
        it.breaker.trip()
        it.manual_prompt.ask("?")
        seen = await it.ended()
        assert seen.state is AnswerState.REJECTED
        assert "ollama_generate" in seen.reason
        assert it.prompts == []
        assert it.breaker.snapshot().calls.rejected == 1


async def test_stopping() -> None:
    async with scene() as it:
        it.manual_prompt.ask("?")
        it.send("half of")
        await it.until(lambda seen: bool(seen.answer))
        it.manual_prompt.stop()
        seen = it.manual_prompt.snapshot()
        assert (seen.state, seen.answer) == (AnswerState.STOPPED, "half of")
        await it.until(lambda _: it.breaker.snapshot().in_flight == 0)
        counts = it.breaker.snapshot().calls
        assert (counts.success, counts.failure, counts.ignored) == (0, 0, 1)


async def test_stopping_what_has_ended_changes_nothing() -> None:
    async with scene() as it:
        it.manual_prompt.ask("?")
        it.send("!")
        it.finish()
        seen = await it.ended()
        await asyncio.sleep(0)
        it.manual_prompt.stop()
        assert it.manual_prompt.snapshot() == seen


async def test_a_new_prompt_takes_the_place_of_the_old() -> None:
    async with scene() as it:
        it.manual_prompt.ask("first")
        it.send("first answer")
        await it.until(lambda seen: bool(seen.answer))
        first, it.chunks = it.chunks, asyncio.Queue()
        it.manual_prompt.ask("second")
        assert it.manual_prompt.snapshot().answer == ""
        it.send("second answer")
        it.finish()
        seen = await it.ended()
        assert (seen.state, seen.answer) == (AnswerState.COMPLETE, "second answer")
        assert it.breaker.snapshot().calls.ignored == 1
        first.put_nowait(None)


async def test_of_a_long_answer_the_end_is_stored() -> None:
    async with scene() as it:
        it.manual_prompt.ask("?")
        it.send(*["x" * 1000] * 20, "the end")
        it.finish()
        seen = await it.ended()
        assert len(seen.answer) == MAX_ANSWER_LENGTH
        assert seen.answer.endswith("the end")
        assert len(seen.answer) + seen.omitted == 20_007


async def test_a_response_that_cannot_be_read_is_a_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with scene() as it:
        it.manual_prompt.ask("\x00")
        it.chunks.put_nowait({"response": 7})
        it.chunks.put_nowait(None)
        seen = await it.ended()
        assert seen.state is AnswerState.FAILED
        assert seen.reason
        assert not [record for record in caplog.records if record.exc_info]
