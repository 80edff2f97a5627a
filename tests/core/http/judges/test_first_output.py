"""The first token is the first chunk of a response that carries something."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from fuseboard import CircuitBreaker, CountWindow, SlowCallRate, State
from fuseboard.http import BreakerTransport, llm_judge

CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
COMPLETIONS, GENERATE, OLLAMA_CHAT = "/v1/completions", "/api/generate", "/api/chat"
GEMINI = "/v1beta/models/m:streamGenerateContent"


def delta(finish_reason: object = None, **fields: object) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish_reason}]}


def message(**fields: object) -> dict[str, Any]:
    return {"model": "m", "message": {"role": "assistant", **fields}, "done": False}


def part(kind: str, **fields: object) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": kind, **fields}}


def block(kind: str, **fields: object) -> dict[str, Any]:
    return {"type": "content_block_start", "index": 0, "content_block": {"type": kind, **fields}}


NOTHING: list[tuple[str, dict[str, Any]]] = [
    (CHAT, {"id": "", "object": "", "choices": [], "prompt_filter_results": []}),
    (CHAT, {"choices": None}),
    (CHAT, {"object": "chat.completion.chunk", "usage": {"prompt_tokens": 1}}),
    (CHAT, {"choices": [], "usage": {"total_tokens": 3}}),
    (CHAT, {"choices": [{"index": 0, "finish_reason": None, "content_filter_results": {}}]}),
    (CHAT, {"choices": [{"index": 0, "delta": None}]}),
    (CHAT, delta()),
    (CHAT, delta(role="assistant")),
    (CHAT, delta(role="assistant", content="", tool_calls=None, refusal=None)),
    (CHAT, delta(role="assistant", content="", reasoning_content="", tool_calls=[])),
    (CHAT, delta(finish_reason="", content="")),
    (CHAT, delta(finish_reason="null", content="")),
    (CHAT, {"type": "ping"}),
    (COMPLETIONS, {"choices": [{"index": 0, "text": "", "finish_reason": None}]}),
    (MESSAGES, {"type": "message_start", "message": {"role": "assistant", "content": []}}),
    (MESSAGES, {"type": "ping"}),
    (MESSAGES, block("text", text="")),
    (MESSAGES, block("thinking", thinking="", signature="")),
    (MESSAGES, part("text_delta", text="")),
    (RESPONSES, {"type": "response.created", "response": {"status": "in_progress"}}),
    (RESPONSES, {"type": "response.in_progress"}),
    (RESPONSES, {"type": "response.queued"}),
    (RESPONSES, {"type": "response.output_item.added", "item": {"type": "message"}}),
    (RESPONSES, {"type": "response.output_item.added", "item": {"type": "reasoning"}}),
    (RESPONSES, {"type": "response.content_part.added", "part": {"type": "output_text"}}),
    (GEMINI, {"candidates": [{"index": 0}], "usageMetadata": {}}),
    (GENERATE, {"model": "m", "response": "", "done": False}),
    (OLLAMA_CHAT, message(content="")),
    (OLLAMA_CHAT, message(content="", thinking="", tool_calls=None)),
]

SOMETHING: list[tuple[str, dict[str, Any]]] = [
    (CHAT, delta(content="hi")),
    (CHAT, delta(role="assistant", content=" ")),
    (CHAT, delta(role="assistant", reasoning_content="hm")),
    (CHAT, delta(reasoning="hm")),
    (CHAT, delta(refusal="I cannot")),
    (CHAT, delta(tool_calls=[{"index": 0, "function": {"name": "f", "arguments": ""}}])),
    (CHAT, delta(function_call={"name": "f"})),
    (CHAT, delta(content=[{"type": "thinking"}])),
    (CHAT, delta(audio={"data": "aa"})),
    (CHAT, delta(finish_reason="stop")),
    (COMPLETIONS, {"choices": [{"index": 0, "text": "hi", "finish_reason": None}]}),
    (MESSAGES, part("text_delta", text="hi")),
    (MESSAGES, part("thinking_delta", thinking="hm")),
    (MESSAGES, part("input_json_delta", partial_json="{")),
    (MESSAGES, block("tool_use", id="t", name="f", input={})),
    (MESSAGES, block("redacted_thinking", data="aa")),
    (RESPONSES, {"type": "response.output_text.delta", "delta": "hi"}),
    (RESPONSES, {"type": "response.reasoning_summary_text.delta", "delta": "hm"}),
    (RESPONSES, {"type": "response.output_item.added", "item": {"type": "function_call"}}),
    (RESPONSES, {"type": "image_generation.partial_image", "b64_json": "aa"}),
    (GEMINI, {"candidates": [{"index": 0, "content": {"parts": [{"text": "hi"}]}}]}),
    (GENERATE, {"model": "m", "response": "hi", "done": False}),
    (GENERATE, {"model": "m", "response": "", "thinking": "hm", "done": False}),
    (GENERATE, {"model": "m", "response": "", "done": True}),
    (OLLAMA_CHAT, message(content="hi")),
    (OLLAMA_CHAT, message(content="", thinking="hm")),
    (OLLAMA_CHAT, message(content="", tool_calls=[{"function": {"name": "f"}}])),
]


def output_started(path: str, item: dict[str, Any]) -> bool:
    judge = llm_judge(httpx.Request("POST", f"http://here{path}"))
    own = path.startswith("/api/")
    media_type = "application/x-ndjson" if own else "text/event-stream"
    judge.begin(200, httpx.Headers({"Content-Type": media_type}))
    judge.feed(
        f"{json.dumps(item)}\n".encode() if own else f"data: {json.dumps(item)}\n\n".encode()
    )
    return judge.content_started


@pytest.mark.parametrize(("path", "item"), NOTHING)
def test_what_carries_nothing_is_no_first_token(path: str, item: dict[str, Any]) -> None:
    assert not output_started(path, item)


@pytest.mark.parametrize(("path", "item"), SOMETHING)
def test_what_carries_something_is_the_first_token(path: str, item: dict[str, Any]) -> None:
    assert output_started(path, item)


def test_comments_and_blank_lines_are_no_first_token() -> None:
    judge = llm_judge(httpx.Request("POST", f"http://here{CHAT}"))
    judge.begin(200, httpx.Headers())
    for chunk in (b"\n\n", b": keep-alive\n\n", b"event: ping\ndata: {}\n\n"):
        judge.feed(chunk)
        assert not judge.content_started


def test_a_breaker_that_counts_slow_first_tokens_does_not_sleep_through_azures_filter() -> None:
    now = 0.0
    trip = SlowCallRate(0.5, 0.5, CountWindow(1), minimum_calls=1, first_item=True)
    breaker = CircuitBreaker("azure", trip=trip, clock=lambda: now)

    class Slow(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            nonlocal now
            filtered = {"choices": [], "prompt_filter_results": [{"prompt_index": 0}]}
            for item in (filtered, delta(role="assistant", content="")):
                yield f"data: {json.dumps(item)}\n\n".encode()
            now = 0.8
            yield f"data: {json.dumps(delta('stop', content='hi'))}\n\n".encode()

    inner = httpx.MockTransport(lambda _: httpx.Response(200, stream=Slow()))
    with httpx.Client(transport=BreakerTransport(breaker, inner, judge=llm_judge)) as client:
        client.post(f"http://here{CHAT}")
    assert breaker.state is State.OPEN
