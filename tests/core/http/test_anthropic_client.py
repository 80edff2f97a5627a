"""The anthropic package, which is built on httpx2, over the transport for that."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from fuseboard import CircuitBreaker, CircuitOpenError
from fuseboard.faults.switches import FaultSwitches
from fuseboard.http import anthropic_judge, rejection_of
from fuseboard.http.httpx2 import BreakerTransport, RequestRejectedError
from tests.core.http.test_third_party_clients import (
    WAYS,
    SendPrompt,
    new_breaker,
    switch,
    verdicts,
)
from tests.core.serving import proxied, served

anthropic = pytest.importorskip("anthropic", minversion="1")

MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}
USAGE = {"input_tokens": 1, "output_tokens": 1}
TEXT = {"type": "text", "text": "hello there"}
EVENTS: list[dict[str, Any]] = [
    {"type": "message_start", "message": {**MESSAGE, "usage": USAGE}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    *(
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
        for text in ("hello", " there", "")
    ),
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": USAGE},
    {"type": "message_stop"},
]


async def messages(request: Request) -> Response:
    if not (await request.json()).get("stream"):
        ended = {"content": [TEXT], "stop_reason": "end_turn", "usage": USAGE}
        return JSONResponse({**MESSAGE, **ended})

    async def events() -> AsyncIterator[str]:
        for event in EVENTS:
            yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


MESSAGES = Starlette(routes=[Route("/v1/messages", messages, methods=["POST"])])
QUESTION: Any = {
    "model": "m",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "hello"}],
}


@asynccontextmanager
async def prompting(way: str, url: str, breaker: CircuitBreaker) -> AsyncIterator[SendPrompt]:
    streams = "streaming" in way
    settings: Any = {"base_url": url, "api_key": "none", "max_retries": 0}
    transport = BreakerTransport(breaker, judge=anthropic_judge)
    if way.startswith("async"):
        async with httpx2.AsyncClient(transport=transport) as http:
            client = anthropic.AsyncAnthropic(http_client=http, **settings)

            async def send_prompt() -> str:
                if not streams:
                    return str((await client.messages.create(**QUESTION)).content[0].text)
                async with client.messages.stream(**QUESTION) as stream:
                    return "".join([text async for text in stream.text_stream])

            yield send_prompt
    else:
        with httpx2.Client(transport=transport) as sync_http:
            sync_client = anthropic.Anthropic(http_client=sync_http, **settings)

            def send_prompt_sync() -> str:
                if not streams:
                    return str(sync_client.messages.create(**QUESTION).content[0].text)
                with sync_client.messages.stream(**QUESTION) as stream:
                    return "".join(stream.text_stream)

            yield lambda: asyncio.to_thread(send_prompt_sync)


@pytest.mark.parametrize("way", WAYS)
async def test_anthropic_works(way: str) -> None:
    breaker = new_breaker()
    async with served(MESSAGES) as url, prompting(way, url, breaker) as send_prompt:
        assert await send_prompt() == "hello there"
        assert await send_prompt() == "hello there"
    assert verdicts(breaker) == (2, 0, 0, 0)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", ["refuse", "error500", "busy503", "midreset"])
async def test_anthropic_behind_a_broken_wire(way: str, fault: str) -> None:
    breaker, switches = new_breaker(), FaultSwitches()
    async with (
        served(MESSAGES) as upstream,
        proxied(upstream, switches) as url,
        prompting(way, url, breaker) as send_prompt,
    ):
        assert await send_prompt()
        await switch(switches, fault, url)
        for _ in range(3):
            with pytest.raises((anthropic.APIError, httpx2.TransportError)) as failed:
                await send_prompt()
            assert rejection_of(failed.value) is None
        assert verdicts(breaker) == (1, 3, 0, 0)
        with pytest.raises(anthropic.APIConnectionError) as caught:
            await send_prompt()
        rejection = rejection_of(caught.value)
        assert isinstance(rejection, RequestRejectedError)
        assert isinstance(rejection, CircuitOpenError)
        assert rejection is caught.value.__cause__
        assert rejection.retry_after is not None
        assert 0 < rejection.retry_after <= 30
    assert breaker.snapshot().calls.rejected == 1
