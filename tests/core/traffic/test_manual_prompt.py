"""A prompt asked by hand: how its answer comes, and all the ways it does not."""

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

Pieces = asyncio.Queue[dict[str, object] | None]
FIGURES = {"done": True, "done_reason": "stop", "eval_count": 6, "eval_duration": 2_000_000_000}


class Asked:
    """A prompter whose answers the test gives, piece by piece."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.breaker = CircuitBreaker("ollama_generate", clock=self.clock)
        self.prompts: list[str] = []
        self.status = 200
        self.pieces: Pieces = asyncio.Queue()  # of the next request
        self.prompter: ManualPrompt

    async def answer(self, request: Request) -> Response:
        self.prompts.append((await request.json())["prompt"])
        if self.status != 200:
            return JSONResponse({"error": "out of memory"}, self.status)
        return StreamingResponse(_stream(self.pieces), media_type="application/x-ndjson")

    def say(self, *texts: str) -> None:
        for text in texts:
            self.pieces.put_nowait({"response": text, "done": False})

    def finish(self, **figures: object) -> None:
        self.pieces.put_nowait({"response": "", **FIGURES, **figures})
        self.pieces.put_nowait(None)

    async def until(self, come: Callable[[PromptSnapshot], bool]) -> PromptSnapshot:
        for _ in range(2000):
            if come(seen := self.prompter.snapshot()):
                return seen
            await asyncio.sleep(0.005)
        raise AssertionError(f"did not come: {self.prompter.snapshot()}")

    async def ended(self) -> PromptSnapshot:
        return await self.until(lambda seen: not seen.state.under_way)


async def _stream(pieces: Pieces) -> AsyncIterator[bytes]:
    while (piece := await pieces.get()) is not None:
        yield json.dumps({"model": "m", **piece}).encode() + b"\n"


@asynccontextmanager
async def asked() -> AsyncIterator[Asked]:
    it = Asked()
    app = Starlette(routes=[Route("/api/generate", it.answer, methods=["POST"])])
    breakers = {Operation.GENERATE: it.breaker}
    async with served(app) as url, OllamaClient(url, breakers) as client:
        it.prompter = ManualPrompt(client, "m", it.clock)
        yield it
        it.prompter.stop()
        it.pieces.put_nowait(None)


async def test_nothing_asked() -> None:
    async with asked() as it:
        assert it.prompter.snapshot() == PromptSnapshot("m", "ollama_generate")
        it.prompter.stop()
        assert it.prompter.snapshot().state is AnswerState.NONE


async def test_an_answer_comes_piece_by_piece() -> None:
    async with asked() as it:
        it.prompter.ask("why is the sky blue?")
        assert it.prompter.snapshot().state is AnswerState.WAITING
        await it.until(lambda _: bool(it.prompts))
        it.clock.advance(1.5)
        assert it.prompter.snapshot().seconds == 1.5
        it.say("Because ")
        seen = await it.until(lambda seen: bool(seen.text))
        assert (seen.state, seen.text, seen.first_token) == (
            AnswerState.STREAMING,
            "Because ",
            1.5,
        )
        it.clock.advance(2.5)
        it.say("of light.")
        it.finish()
        seen = await it.ended()
        it.clock.advance(100)
        assert it.prompter.snapshot() == PromptSnapshot(
            "m",
            "ollama_generate",
            AnswerState.COMPLETE,
            prompt="why is the sky blue?",
            text="Because of light.",
            why="stop",
            seconds=4.0,
            first_token=1.5,
            tokens=6,
            tokens_per_second=3.0,
        )
        assert it.prompts == ["why is the sky blue?"]
        assert it.breaker.snapshot().calls.success == 1


async def test_a_server_that_does_not_measure() -> None:
    async with asked() as it:
        it.prompter.ask("?")
        it.say("!")
        it.finish(eval_duration=0)
        assert (await it.ended()).tokens_per_second == 0


async def test_a_failure_says_why() -> None:
    async with asked() as it:
        it.status = 500
        it.prompter.ask("?")
        seen = await it.ended()
        assert (seen.state, seen.why) == (AnswerState.FAILED, "HTTP 500: out of memory")
        assert it.breaker.snapshot().calls.failure == 1


async def test_an_answer_that_breaks_off_keeps_what_came() -> None:
    async with asked() as it:
        it.prompter.ask("?")
        it.say("half of")
        it.pieces.put_nowait(None)
        seen = await it.ended()
        assert (seen.state, seen.text) == (AnswerState.FAILED, "half of")
        assert seen.why


async def test_an_open_breaker_rejects_it() -> None:
    async with asked() as it:
        it.breaker.trip()
        it.prompter.ask("?")
        seen = await it.ended()
        assert seen.state is AnswerState.REJECTED
        assert "ollama_generate" in seen.why
        assert it.prompts == []
        assert it.breaker.snapshot().calls.rejected == 1


async def test_stopping() -> None:
    async with asked() as it:
        it.prompter.ask("?")
        it.say("half of")
        await it.until(lambda seen: bool(seen.text))
        it.prompter.stop()
        seen = it.prompter.snapshot()
        assert (seen.state, seen.text) == (AnswerState.STOPPED, "half of")
        await it.until(lambda _: it.breaker.snapshot().in_flight == 0)
        counts = it.breaker.snapshot().calls
        assert (counts.success, counts.failure, counts.ignored) == (0, 0, 1)


async def test_stopping_what_has_ended_changes_nothing() -> None:
    async with asked() as it:
        it.prompter.ask("?")
        it.say("!")
        it.finish()
        seen = await it.ended()
        await asyncio.sleep(0)
        it.prompter.stop()
        assert it.prompter.snapshot() == seen


async def test_a_new_prompt_takes_the_place_of_the_old() -> None:
    async with asked() as it:
        it.prompter.ask("first")
        it.say("first answer")
        await it.until(lambda seen: bool(seen.text))
        first, it.pieces = it.pieces, asyncio.Queue()
        it.prompter.ask("second")
        assert it.prompter.snapshot().text == ""
        it.say("second answer")
        it.finish()
        seen = await it.ended()
        assert (seen.state, seen.text) == (AnswerState.COMPLETE, "second answer")
        assert it.breaker.snapshot().calls.ignored == 1
        first.put_nowait(None)


async def test_the_end_of_a_long_answer_is_kept() -> None:
    async with asked() as it:
        it.prompter.ask("?")
        it.say(*["x" * 1000] * 20, "the end")
        it.finish()
        seen = await it.ended()
        assert len(seen.text) == MAX_ANSWER_LENGTH
        assert seen.text.endswith("the end")
        assert len(seen.text) + seen.cut == 20_007


async def test_what_breaks_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async with asked() as it:
        it.prompter.ask("\x00")
        it.pieces.put_nowait({"response": 7})
        it.pieces.put_nowait(None)
        seen = await it.ended()
        assert seen.state is AnswerState.FAILED
        assert seen.why
        assert not [record for record in caplog.records if record.exc_info]
