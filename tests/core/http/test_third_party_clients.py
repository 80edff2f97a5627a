"""Third-party clients over the transport: they work, and the breaker judges their calls."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
import httpx2
import ollama
import openai
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from fuseboard import CircuitBreaker, ConsecutiveFailures
from fuseboard.faults.switches import FaultSwitches
from fuseboard.http import httpx2 as for_httpx2
from fuseboard.http import ollama_judge, openai_judge, rejection_of
from fuseboard.http.transport import BreakerTransport, RequestRejectedError
from fuseboard.ollama import Operation
from tests.core.http.test_transport import DELTA, EVENTS_HEAD, STOP
from tests.core.ollama.test_client import END, MODEL, http_chunk, plain, reset, writes, writes_then
from tests.core.serving import ResponseHandler, closed_port, proxied, raw_server, served, simulated

SendPrompt = Callable[[], Awaitable[str]]
"""Sends a prompt through a client and returns the generated text."""


def new_breaker() -> CircuitBreaker:
    return CircuitBreaker("wire", trip=ConsecutiveFailures(3))


def verdicts(breaker: CircuitBreaker) -> tuple[int, int, int, int]:
    seen = breaker.snapshot()
    return seen.calls.success, seen.calls.failure, seen.calls.ignored, seen.in_flight


async def switch(switches: FaultSwitches, fault: str, url: str) -> None:
    switches.switch(fault, active=True)
    if fault == "refuse":
        async with asyncio.timeout(10):
            await closed_port(url)


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
async def ollama_prompting(
    way: str, url: str, breaker: CircuitBreaker
) -> AsyncIterator[SendPrompt]:
    kind, _, streams = way.partition(" ")
    if kind == "async":
        async with ollama_async(url, breaker) as client:

            async def send_prompt() -> str:
                if not streams:
                    whole = await client.generate(MODEL, "hello")
                    return whole.response or ""
                chunks = await client.chat(MODEL, MESSAGES, stream=True)
                return "".join([chunk.message.content or "" async for chunk in chunks])

            yield send_prompt
    else:
        async with ollama_sync(url, breaker) as sync_client:

            def send_prompt_sync() -> str:
                if not streams:
                    return sync_client.generate(MODEL, "hello").response or ""
                chunks = sync_client.chat(MODEL, MESSAGES, stream=True)
                return "".join(chunk.message.content or "" for chunk in chunks)

            yield lambda: asyncio.to_thread(send_prompt_sync)


WAYS = ["async", "async streaming", "sync", "sync streaming"]


@pytest.mark.parametrize("way", WAYS)
async def test_ollama_works(way: str) -> None:
    breaker = new_breaker()
    async with simulated() as url, ollama_prompting(way, url, breaker) as send_prompt:
        assert await send_prompt()
        assert await send_prompt()
    assert verdicts(breaker) == (2, 0, 0, 0)


async def test_every_operation_of_ollama_is_a_success() -> None:
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
    breaker, switches = new_breaker(), FaultSwitches()
    async with (
        simulated() as upstream,
        proxied(upstream, switches) as url,
        ollama_prompting(way, url, breaker) as send_prompt,
    ):
        assert await send_prompt()
        await switch(switches, fault, url)
        for _ in range(3):
            with pytest.raises(errors):
                await send_prompt()
        assert verdicts(breaker) == (1, 3, 0, 0)
        with pytest.raises(RequestRejectedError):
            await send_prompt()
    assert breaker.snapshot().calls.rejected == 1


@pytest.mark.parametrize("way", [way for way in WAYS if "streaming" in way])
async def test_ollama_does_not_notice_a_cut_stream_and_the_breaker_does(way: str) -> None:
    breaker, switches = new_breaker(), FaultSwitches()
    async with (
        simulated() as upstream,
        proxied(upstream, switches) as url,
        ollama_prompting(way, url, breaker) as send_prompt,
    ):
        await switch(switches, "cut", url)
        await send_prompt()
    assert verdicts(breaker) == (0, 1, 0, 0)


@pytest.mark.parametrize("way", WAYS)
async def test_an_error_in_a_response_of_ollama_is_a_failure(way: str) -> None:
    breaker = new_breaker()
    respond = writes(plain(200, b'{"error":"out of memory"}'))
    async with raw_server(respond) as url, ollama_prompting(way, url, breaker) as send_prompt:
        if "streaming" in way:
            with pytest.raises(ollama.ResponseError, match="out of memory"):
                await send_prompt()
        else:
            assert await send_prompt() == "", "the package itself takes it for an answer"
    assert verdicts(breaker) == (0, 1, 0, 0)


@pytest.mark.parametrize("way", WAYS)
async def test_a_model_that_ollama_does_not_have_is_the_callers_fault(way: str) -> None:
    breaker = new_breaker()
    respond = writes(plain(404, b'{"error":"model not found"}'))
    async with raw_server(respond) as url, ollama_prompting(way, url, breaker) as send_prompt:
        with pytest.raises(ollama.ResponseError, match="model not found"):
            await send_prompt()
    assert verdicts(breaker) == (0, 0, 1, 0)


async def test_a_reader_of_ollama_may_stop_early() -> None:
    breaker = new_breaker()
    async with simulated() as url, ollama_async(url, breaker) as client:
        chunks = cast("Any", await client.generate(MODEL, "hello", stream=True))
        async for chunk in chunks:
            assert not chunk.done
            break
        await chunks.aclose()
        assert verdicts(breaker) == (1, 0, 0, 0)


# The openai package


async def completions(request: Request) -> Response:
    body = json.loads(await request.body())
    if body["model"] != MODEL:
        return JSONResponse({"error": {"message": f"no model {body['model']}"}}, 404)
    head = {"id": "1", "created": 1, "model": MODEL}
    tokens = ["hello", " there", "!", " How", " are", " you", "?"]
    if not body.get("stream"):
        message = {"role": "assistant", "content": "".join(tokens)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return JSONResponse({**head, "object": "chat.completion", "choices": [choice]})

    async def events() -> AsyncIterator[str]:
        for token in tokens:
            choice = {"index": 0, "delta": {"content": token}, "finish_reason": None}
            item = {**head, "object": "chat.completion.chunk", "choices": [choice]}
            yield f"data: {json.dumps(item)}\n\n"
        yield "data: [DONE]\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


COMPLETIONS = Starlette(routes=[Route("/v1/chat/completions", completions, methods=["POST"])])
QUESTION: Any = {"messages": MESSAGES}

on_httpx2 = pytest.mark.skipif(
    int(openai.__version__.partition(".")[0]) < 3, reason="openai is built on httpx2 from 3 on"
)
OPENAI_WAYS = [*WAYS, *(pytest.param(f"{way} on httpx2", marks=on_httpx2) for way in WAYS)]


def library_of(way: str, breaker: CircuitBreaker) -> tuple[Any, Any]:
    """Return the HTTP library of a way to call openai, and the transport for it."""
    if way.endswith("httpx2"):
        return httpx2, for_httpx2.BreakerTransport(breaker, judge=openai_judge)
    return httpx, BreakerTransport(breaker, judge=openai_judge)


@asynccontextmanager
async def openai_prompting(
    way: str, url: str, breaker: CircuitBreaker, model: str = MODEL, **more: Any
) -> AsyncIterator[SendPrompt]:
    library, transport = library_of(way, breaker)
    streams = "streaming" in way
    settings: Any = {"base_url": f"{url}/v1", "api_key": "none", "max_retries": 0, **more}
    if way.startswith("async"):
        async with library.AsyncClient(transport=transport) as http:
            client = openai.AsyncOpenAI(http_client=http, **settings)

            async def send_prompt() -> str:
                if not streams:
                    whole = await client.chat.completions.create(model=model, **QUESTION)
                    return whole.choices[0].message.content or ""
                chunks = await client.chat.completions.create(model=model, stream=True, **QUESTION)
                return "".join([chunk.choices[0].delta.content or "" async for chunk in chunks])

            yield send_prompt
    else:
        with library.Client(transport=transport) as sync_http:
            sync_client = openai.OpenAI(http_client=sync_http, **settings)

            def send_prompt_sync() -> str:
                if not streams:
                    whole = sync_client.chat.completions.create(model=model, **QUESTION)
                    return whole.choices[0].message.content or ""
                chunks = sync_client.chat.completions.create(model=model, stream=True, **QUESTION)
                return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)

            yield lambda: asyncio.to_thread(send_prompt_sync)


@pytest.mark.parametrize("way", OPENAI_WAYS)
async def test_openai_works(way: str) -> None:
    breaker = new_breaker()
    async with served(COMPLETIONS) as url, openai_prompting(way, url, breaker) as send_prompt:
        assert await send_prompt() == "hello there! How are you?"
        assert await send_prompt() == "hello there! How are you?"
    assert verdicts(breaker) == (2, 0, 0, 0)


@pytest.mark.parametrize("way", OPENAI_WAYS)
@pytest.mark.parametrize("fault", ["refuse", "error500", "busy503", "midreset"])
async def test_openai_behind_a_broken_wire(way: str, fault: str) -> None:
    breaker, switches = new_breaker(), FaultSwitches()
    async with (
        served(COMPLETIONS) as upstream,
        proxied(upstream, switches) as url,
        openai_prompting(way, url, breaker) as send_prompt,
    ):
        assert await send_prompt()
        await switch(switches, fault, url)
        for _ in range(3):
            with pytest.raises((openai.APIError, httpx.TransportError)) as failed:
                await send_prompt()
            assert rejection_of(failed.value) is None
        assert verdicts(breaker) == (1, 3, 0, 0)
        with pytest.raises(openai.APIConnectionError) as caught:
            await send_prompt()
        rejection = rejection_of(caught.value)
        assert rejection is caught.value.__cause__
        assert rejection is not None
        assert rejection.retry_after is not None
        assert 0 < rejection.retry_after <= 30
    assert breaker.snapshot().calls.rejected == 1


@pytest.mark.parametrize("way", [way for way in OPENAI_WAYS if "streaming" in str(way)])
@pytest.mark.parametrize(
    ("respond", "verdict"),
    [
        (writes(EVENTS_HEAD, http_chunk(DELTA + STOP), END), (1, 0, 0, 0)),
        (writes(EVENTS_HEAD, http_chunk(DELTA), END), (0, 1, 0, 0)),
        (
            writes(EVENTS_HEAD, http_chunk(b'data: {"error":{"message":"oom"}}\n\n'), END),
            (0, 1, 0, 0),
        ),
        (writes(EVENTS_HEAD, http_chunk(DELTA), http_chunk(b"data: {\n\n"), END), (0, 1, 0, 0)),
        (writes_then(reset, EVENTS_HEAD, http_chunk(DELTA)), (0, 1, 0, 0)),
        (writes(EVENTS_HEAD, http_chunk(DELTA)), (0, 1, 0, 0)),
    ],
    ids=["good", "cut", "error", "garbage", "reset", "breaks off"],
)
async def test_what_openai_streams(
    way: str, respond: ResponseHandler, verdict: tuple[int, int, int, int]
) -> None:
    breaker = new_breaker()
    error: Exception | None = None
    async with raw_server(respond) as url, openai_prompting(way, url, breaker) as send_prompt:
        try:
            await send_prompt()
        except (
            openai.APIError,
            httpx.TransportError,
            httpx2.TransportError,
            ValueError,
        ) as caught:
            error = caught
    assert verdicts(breaker) == verdict, error


@pytest.mark.parametrize("way", OPENAI_WAYS)
async def test_a_model_that_openai_does_not_have_is_the_callers_fault(way: str) -> None:
    breaker = new_breaker()
    async with (
        served(COMPLETIONS) as url,
        openai_prompting(way, url, breaker, "nothing") as send_prompt,
    ):
        with pytest.raises(openai.NotFoundError, match="no model nothing"):
            await send_prompt()
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
        ) as chunks:
            async for _ in chunks:
                break
    assert verdicts(breaker) == (1, 0, 0, 0)


async def test_ollama_is_judged_by_either_of_its_apis() -> None:
    breaker = new_breaker()
    transport = BreakerTransport(breaker, judge=ollama_judge)
    cut = writes(EVENTS_HEAD, http_chunk(DELTA), END)
    async with raw_server(cut) as url, httpx.AsyncClient(transport=transport) as http:
        assert (await http.post(f"{url}/v1/chat/completions")).is_success
        assert verdicts(breaker) == (0, 1, 0, 0)
        assert (await http.post(f"{url}{Operation.CHAT.value}")).is_success
    assert verdicts(breaker) == (0, 2, 0, 0)
