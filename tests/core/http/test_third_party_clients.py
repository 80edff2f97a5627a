"""Other people's clients over the transport: they work, and their breaker sees what they get."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
import ollama
import openai
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from fuseboard import CircuitBreaker, ConsecutiveFailures
from fuseboard.faults.switches import FaultSwitches
from fuseboard.http import ollama_judge, openai_judge
from fuseboard.http.transport import BreakerTransport, RequestRejectedError
from fuseboard.ollama import Operation
from tests.core.http.test_transport import DELTA, EVENTS_HEAD, STOP
from tests.core.ollama.test_client import END, MODEL, chunk, plain, reset, writes, writes_then
from tests.core.serving import Answer, proxied, raw_server, served, simulated

Say = Callable[[], Awaitable[str]]
"""Has a client say something to a model; gives what the model said."""


def new_breaker() -> CircuitBreaker:
    return CircuitBreaker("wire", trip=ConsecutiveFailures(3))


def verdicts(breaker: CircuitBreaker) -> tuple[int, int, int, int]:
    seen = breaker.snapshot()
    return seen.calls.success, seen.calls.failure, seen.calls.ignored, seen.in_flight


async def switch(board: FaultSwitches, fault: str, url: str) -> None:
    board.switch(fault, active=True)
    where = httpx.URL(url)
    async with asyncio.timeout(10):
        while fault == "refuse":  # until the port is closed
            try:
                _, writer = await asyncio.open_connection(where.host, where.port)
            except ConnectionRefusedError:
                return
            writer.close()
            await asyncio.sleep(0.005)


# The ollama package


@asynccontextmanager
async def ollama_async(url: str, breaker: CircuitBreaker) -> AsyncIterator[ollama.AsyncClient]:
    transport = BreakerTransport(breaker, judge=ollama_judge)
    async with ollama.AsyncClient(host=url, transport=transport) as client:
        yield client


@asynccontextmanager
async def ollama_sync(url: str, breaker: CircuitBreaker) -> AsyncIterator[ollama.Client]:
    with ollama.Client(host=url, transport=BreakerTransport(breaker, judge=ollama_judge)) as client:
        yield client


MESSAGES = [{"role": "user", "content": "hello"}]


@asynccontextmanager
async def ollama_saying(way: str, url: str, breaker: CircuitBreaker) -> AsyncIterator[Say]:
    kind, _, streams = way.partition(" ")
    if kind == "async":
        async with ollama_async(url, breaker) as client:

            async def say() -> str:
                if not streams:
                    whole = await client.generate(MODEL, "hello")
                    return whole.response or ""
                pieces = await client.chat(MODEL, MESSAGES, stream=True)
                return "".join([piece.message.content or "" async for piece in pieces])

            yield say
    else:
        async with ollama_sync(url, breaker) as sync_client:

            def say_it() -> str:
                if not streams:
                    return sync_client.generate(MODEL, "hello").response or ""
                pieces = sync_client.chat(MODEL, MESSAGES, stream=True)
                return "".join(piece.message.content or "" for piece in pieces)

            yield lambda: asyncio.to_thread(say_it)


WAYS = ["async", "async streaming", "sync", "sync streaming"]


@pytest.mark.parametrize("way", WAYS)
async def test_ollama_works(way: str) -> None:
    breaker = new_breaker()
    async with simulated() as url, ollama_saying(way, url, breaker) as say:
        assert await say()
        assert await say()
    assert verdicts(breaker) == (2, 0, 0, 0)


async def test_all_that_ollama_can_be_asked_is_a_success() -> None:
    breaker = new_breaker()
    async with simulated() as url, ollama_async(url, breaker) as client:
        assert (await client.list()).models
        assert (await client.show(MODEL)).details
        assert (await client.embed("nomic-embed-text", ["a", "b"])).embeddings
        assert (await client.ps()).models is not None
    assert verdicts(breaker) == (4, 0, 0, 0)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("fault", "errors"),
    [
        ("refuse", (ConnectionError, httpx.ConnectError)),
        ("error500", (ollama.ResponseError,)),
        ("busy503", (ollama.ResponseError,)),
        ("midreset", (httpx.ReadError,)),
    ],
    ids=["refuse", "error500", "busy503", "midreset"],
)
async def test_ollama_behind_a_broken_wire(
    way: str, fault: str, errors: tuple[type[Exception], ...]
) -> None:
    breaker, board = new_breaker(), FaultSwitches()
    async with (
        simulated() as upstream,
        proxied(upstream, board) as url,
        ollama_saying(way, url, breaker) as say,
    ):
        assert await say()
        await switch(board, fault, url)
        for _ in range(3):
            with pytest.raises(errors):
                await say()
        assert verdicts(breaker) == (1, 3, 0, 0)
        with pytest.raises(RequestRejectedError):
            await say()
    assert breaker.snapshot().calls.rejected == 1


@pytest.mark.parametrize("way", [way for way in WAYS if "streaming" in way])
async def test_ollama_does_not_notice_a_cut_stream_and_the_breaker_does(way: str) -> None:
    breaker, board = new_breaker(), FaultSwitches()
    async with (
        simulated() as upstream,
        proxied(upstream, board) as url,
        ollama_saying(way, url, breaker) as say,
    ):
        await switch(board, "cut", url)
        await say()
    assert verdicts(breaker) == (0, 1, 0, 0)


@pytest.mark.parametrize("way", WAYS)
async def test_an_error_in_ollamas_answer_is_a_failure(way: str) -> None:
    breaker = new_breaker()
    answer = writes(plain(200, b'{"error":"out of memory"}'))
    async with raw_server(answer) as url, ollama_saying(way, url, breaker) as say:
        if "streaming" in way:
            with pytest.raises(ollama.ResponseError, match="out of memory"):
                await say()
        else:
            assert await say() == "", "the package itself takes it for an answer"
    assert verdicts(breaker) == (0, 1, 0, 0)


@pytest.mark.parametrize("way", WAYS)
async def test_a_model_that_ollama_does_not_have_is_the_callers_fault(way: str) -> None:
    breaker = new_breaker()
    answer = writes(plain(404, b'{"error":"model not found"}'))
    async with raw_server(answer) as url, ollama_saying(way, url, breaker) as say:
        with pytest.raises(ollama.ResponseError, match="model not found"):
            await say()
    assert verdicts(breaker) == (0, 0, 1, 0)


async def test_a_reader_of_ollama_may_stop_early() -> None:
    breaker = new_breaker()
    async with simulated() as url, ollama_async(url, breaker) as client:
        pieces = cast("Any", await client.generate(MODEL, "hello", stream=True))
        async for piece in pieces:
            assert not piece.done
            break
        await pieces.aclose()
        assert verdicts(breaker) == (1, 0, 0, 0)


# The openai package


async def completions(request: Request) -> Response:
    asked = json.loads(await request.body())
    if asked["model"] != MODEL:
        return JSONResponse({"error": {"message": f"no model {asked['model']}"}}, 404)
    head = {"id": "1", "created": 1, "model": MODEL}
    words = ["hello", " there", "!", " How", " are", " you", "?"]
    if not asked.get("stream"):
        message = {"role": "assistant", "content": "".join(words)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return JSONResponse({**head, "object": "chat.completion", "choices": [choice]})

    async def events() -> AsyncIterator[str]:
        for word in words:
            choice = {"index": 0, "delta": {"content": word}, "finish_reason": None}
            item = {**head, "object": "chat.completion.chunk", "choices": [choice]}
            yield f"data: {json.dumps(item)}\n\n"
        yield "data: [DONE]\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


COMPLETIONS = Starlette(routes=[Route("/v1/chat/completions", completions, methods=["POST"])])
QUESTION: Any = {"messages": MESSAGES}


@asynccontextmanager
async def openai_saying(
    way: str, url: str, breaker: CircuitBreaker, model: str = MODEL, **more: Any
) -> AsyncIterator[Say]:
    kind, _, streams = way.partition(" ")
    transport = BreakerTransport(breaker, judge=openai_judge)
    settings: Any = {"base_url": f"{url}/v1", "api_key": "none", "max_retries": 0, **more}
    if kind == "async":
        async with httpx.AsyncClient(transport=transport) as http:
            client = openai.AsyncOpenAI(http_client=cast("Any", http), **settings)

            async def say() -> str:
                if not streams:
                    whole = await client.chat.completions.create(model=model, **QUESTION)
                    return whole.choices[0].message.content or ""
                pieces = await client.chat.completions.create(model=model, stream=True, **QUESTION)
                return "".join([piece.choices[0].delta.content or "" async for piece in pieces])

            yield say
    else:
        with httpx.Client(transport=transport) as sync_http:
            sync_client = openai.OpenAI(http_client=cast("Any", sync_http), **settings)

            def say_it() -> str:
                if not streams:
                    whole = sync_client.chat.completions.create(model=model, **QUESTION)
                    return whole.choices[0].message.content or ""
                pieces = sync_client.chat.completions.create(model=model, stream=True, **QUESTION)
                return "".join(piece.choices[0].delta.content or "" for piece in pieces)

            yield lambda: asyncio.to_thread(say_it)


@pytest.mark.parametrize("way", WAYS)
async def test_openai_works(way: str) -> None:
    breaker = new_breaker()
    async with served(COMPLETIONS) as url, openai_saying(way, url, breaker) as say:
        assert await say() == "hello there! How are you?"
        assert await say() == "hello there! How are you?"
    assert verdicts(breaker) == (2, 0, 0, 0)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", ["refuse", "error500", "busy503", "midreset"])
async def test_openai_behind_a_broken_wire(way: str, fault: str) -> None:
    breaker, board = new_breaker(), FaultSwitches()
    async with (
        served(COMPLETIONS) as upstream,
        proxied(upstream, board) as url,
        openai_saying(way, url, breaker) as say,
    ):
        assert await say()
        await switch(board, fault, url)
        for _ in range(3):
            with pytest.raises((openai.APIError, httpx.TransportError)) as failed:
                await say()
            assert not isinstance(failed.value.__cause__, RequestRejectedError)
        assert verdicts(breaker) == (1, 3, 0, 0)
        with pytest.raises(openai.APIConnectionError) as caught:
            await say()
        assert isinstance(caught.value.__cause__, RequestRejectedError)
    assert breaker.snapshot().calls.rejected == 1


@pytest.mark.parametrize("way", [way for way in WAYS if "streaming" in way])
@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (writes(EVENTS_HEAD, chunk(DELTA + STOP), END), (1, 0, 0, 0)),
        (writes(EVENTS_HEAD, chunk(DELTA), END), (0, 1, 0, 0)),
        (writes(EVENTS_HEAD, chunk(b'data: {"error":{"message":"oom"}}\n\n'), END), (0, 1, 0, 0)),
        (writes(EVENTS_HEAD, chunk(DELTA), chunk(b"data: {\n\n"), END), (0, 1, 0, 0)),
        (writes_then(reset, EVENTS_HEAD, chunk(DELTA)), (0, 1, 0, 0)),
        (writes(EVENTS_HEAD, chunk(DELTA)), (0, 1, 0, 0)),
    ],
    ids=["good", "cut", "error", "garbage", "reset", "breaks off"],
)
async def test_what_openai_streams(
    way: str, answer: Answer, verdict: tuple[int, int, int, int]
) -> None:
    breaker = new_breaker()
    error: Exception | None = None
    async with raw_server(answer) as url, openai_saying(way, url, breaker) as say:
        try:
            await say()
        except (openai.APIError, httpx.TransportError, ValueError) as caught:
            error = caught
    assert verdicts(breaker) == verdict, error


@pytest.mark.parametrize("way", WAYS)
async def test_a_model_that_openai_does_not_have_is_the_callers_fault(way: str) -> None:
    breaker = new_breaker()
    async with served(COMPLETIONS) as url, openai_saying(way, url, breaker, "nothing") as say:
        with pytest.raises(openai.NotFoundError, match="no model nothing"):
            await say()
    assert verdicts(breaker) == (0, 0, 1, 0)


async def test_a_reader_of_openai_may_stop_early() -> None:
    breaker = new_breaker()
    transport = BreakerTransport(breaker, judge=openai_judge)
    async with served(COMPLETIONS) as url, httpx.AsyncClient(transport=transport) as http:
        client = openai.AsyncOpenAI(
            http_client=cast("Any", http), base_url=f"{url}/v1", api_key="none", max_retries=0
        )
        async with await client.chat.completions.create(
            model=MODEL, stream=True, **QUESTION
        ) as pieces:
            async for _ in pieces:
                break
    assert verdicts(breaker) == (1, 0, 0, 0)


async def test_ollama_is_judged_by_either_of_its_apis() -> None:
    breaker = new_breaker()
    transport = BreakerTransport(breaker, judge=ollama_judge)
    cut = writes(EVENTS_HEAD, chunk(DELTA), END)
    async with raw_server(cut) as url, httpx.AsyncClient(transport=transport) as http:
        assert (await http.post(f"{url}/v1/chat/completions")).is_success
        assert verdicts(breaker) == (0, 1, 0, 0)
        assert (await http.post(f"{url}{Operation.CHAT.value}")).is_success
    assert verdicts(breaker) == (0, 2, 0, 0)
