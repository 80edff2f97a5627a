"""Answers cut at the token limit, and tool calls with broken arguments, in every API."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from fuseboard.faults.catalogue import BY_NAME
from fuseboard.faults.switches import FaultSwitches
from tests.core.ollama.test_client import STREAM_HEAD, http_chunk, plain, writes
from tests.core.serving import proxied, raw_server

EVENT_HEAD = STREAM_HEAD.replace(b"application/x-ndjson", b"text/event-stream")


def lines(*payloads: Any) -> bytes:
    return b"".join(json.dumps(payload).encode() + b"\n" for payload in payloads)


def events(*payloads: Any, named: bool = False) -> bytes:
    def event(payload: Any) -> bytes:
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        name = f"event: {payload['type']}\n" if named else ""
        return b"%bdata: %b\n\n" % (name.encode(), data)

    return b"".join(map(event, payloads))


def payloads(text: str) -> list[Any]:
    found = []
    for line in text.splitlines():
        data = line.removeprefix("data: ")
        if data.startswith("{"):
            found.append(json.loads(data))
    return found


async def through(fault: str, response: bytes, chunks: int | None = None) -> httpx.Response:
    """Return a response as it comes through the proxy with this fault."""
    switches = FaultSwitches()
    changes = {} if chunks is None else {"chunks": chunks}
    switches.switch(fault, active=True, setting=BY_NAME[fault].setting(**changes))
    async with (
        raw_server(writes(response)) as upstream,
        proxied(upstream, switches) as url,
        httpx.AsyncClient() as http,
    ):
        return await http.post(f"{url}/any", json={})


def stream_of(head: bytes, body: bytes) -> bytes:
    return head + http_chunk(body) + http_chunk(b"")


async def test_ollamas_stream_ends_at_the_token_limit() -> None:
    spoken = [{"model": "m", "response": word, "done": False} for word in "abcdef"]
    whole = lines(*spoken, {"model": "m", "response": "", "done": True, "done_reason": "stop"})
    got = payloads((await through("length", stream_of(STREAM_HEAD, whole), 2)).text)
    assert [each["response"] for each in got] == ["a", "b", ""]
    assert (got[-1]["done"], got[-1]["done_reason"]) == (True, "length")


async def test_openais_stream_ends_at_the_token_limit() -> None:
    spoken = [
        {"id": "x", "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]}
        for word in "abcdef"
    ]
    response = await through("length", stream_of(EVENT_HEAD, events(*spoken, b"[DONE]")), 3)
    got = payloads(response.text)
    assert [each["choices"][0]["finish_reason"] for each in got] == [None, None, None, "length"]
    assert got[-1]["id"] == "x"
    assert response.text.endswith("data: [DONE]\n\n")


async def test_a_short_stream_ends_at_the_token_limit_too() -> None:
    spoken = events(
        {"choices": [{"delta": {"content": "a"}, "finish_reason": None}]},
        {"choices": [{"delta": {}, "finish_reason": "stop"}]},
        b"[DONE]",
    )
    got = payloads((await through("length", stream_of(EVENT_HEAD, spoken), 10)).text)
    assert [each["choices"][0]["finish_reason"] for each in got] == [None, "length"]


async def test_anthropics_stream_ends_at_the_token_limit() -> None:
    text = {"type": "text_delta", "text": "hi"}
    spoken = events(
        {"type": "message_start", "message": {"stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text"}},
        *({"type": "content_block_delta", "index": 0, "delta": text} for _ in range(5)),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
        {"type": "message_stop"},
        named=True,
    )
    response = await through("length", stream_of(EVENT_HEAD, spoken), 3)
    got = payloads(response.text)
    assert [each["type"] for each in got] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert got[4]["delta"]["stop_reason"] == "max_tokens"
    assert "event: message_stop\n" in response.text


@pytest.mark.parametrize(
    ("whole", "reason"),
    [
        (
            {"response": "abcd", "done": True, "done_reason": "stop"},
            {"response": "ab", "done": True, "done_reason": "length"},
        ),
        (
            {"message": {"content": "abcd"}, "done": True, "done_reason": "stop"},
            {"message": {"content": "ab"}, "done": True, "done_reason": "length"},
        ),
        (
            {"choices": [{"message": {"content": "abcd"}, "finish_reason": "stop"}]},
            {"choices": [{"message": {"content": "ab"}, "finish_reason": "length"}]},
        ),
        (
            {"choices": [{"text": "abcd", "finish_reason": "stop"}]},
            {"choices": [{"text": "ab", "finish_reason": "length"}]},
        ),
        (
            {"type": "message", "content": [{"text": "abcd"}], "stop_reason": "end_turn"},
            {"type": "message", "content": [{"text": "ab"}], "stop_reason": "max_tokens"},
        ),
        (
            {"candidates": [{"finishReason": "STOP"}]},
            {"candidates": [{"finishReason": "MAX_TOKENS"}]},
        ),
        (
            {"object": "response", "status": "completed"},
            {
                "object": "response",
                "status": "incomplete",
                "incomplete_details": {"reason": "max_output_tokens"},
            },
        ),
        ({"models": []}, {"models": []}),
        ({"embeddings": [[1.0]]}, {"embeddings": [[1.0]]}),
    ],
)
async def test_a_whole_answer_ends_at_the_token_limit(whole: Any, reason: Any) -> None:
    response = await through("length", plain(200, json.dumps(whole).encode()))
    assert response.json() == reason


UNCHANGEABLE = {
    "empty": b"",
    "text": b"hello",
    "an array": b"[1]",
    "cut": b'{"a":',
    "no UTF-8": b"\xff\xfe",
    "nested too deep": b"[" * 100_000,
    "too long": bytes(2 * 1024 * 1024),
}


@pytest.mark.parametrize("body", UNCHANGEABLE.values(), ids=UNCHANGEABLE)
async def test_what_cannot_be_changed_passes_as_it_is(body: bytes) -> None:
    for fault in ("length", "badargs"):
        assert (await through(fault, plain(200, body))).content == body


async def test_an_error_is_not_changed() -> None:
    body = b'{"choices":[{"finish_reason":"stop"}]}'
    assert (await through("length", plain(500, body))).content == body


CALL = {"function": {"name": "f", "arguments": '{"a": {"b": 1}}'}}


@pytest.mark.parametrize(
    "whole",
    [
        {"choices": [{"message": {"tool_calls": [CALL]}, "finish_reason": "tool_calls"}]},
        {"choices": [{"message": {"function_call": CALL["function"]}}]},
        {"object": "response", "output": [{"type": "function_call", "arguments": '{"a": 1}'}]},
    ],
)
async def test_arguments_as_text_are_no_json_any_more(whole: Any) -> None:
    response = await through("badargs", plain(200, json.dumps(whole).encode()))

    def arguments(value: Any) -> list[str]:
        if isinstance(value, dict):
            own = [value["arguments"]] if "arguments" in value else []
            return own + [each for item in value.values() for each in arguments(item)]
        return (
            [each for item in value for each in arguments(item)] if isinstance(value, list) else []
        )

    [broken] = arguments(response.json())
    with pytest.raises(json.JSONDecodeError):
        json.loads(broken)


@pytest.mark.parametrize(
    ("whole", "broken"),
    [
        (
            {"message": {"tool_calls": [{"function": {"arguments": {"city": "Rome"}}}]}},
            {"message": {"tool_calls": [{"function": {"arguments": {"city": None}}}]}},
        ),
        (
            {"content": [{"type": "tool_use", "name": "f", "input": {"city": "Rome"}}]},
            {"content": [{"type": "tool_use", "name": "f", "input": {"city": None}}]},
        ),
        (
            {"candidates": [{"parts": [{"functionCall": {"args": {"city": "Rome"}}}]}]},
            {"candidates": [{"parts": [{"functionCall": {"args": {"city": None}}}]}]},
        ),
        (
            {"message": {"content": "{}", "arguments": "{}"}},
            {"message": {"content": "{}", "arguments": "{}"}},
        ),
    ],
)
async def test_arguments_as_an_object_have_no_values_any_more(whole: Any, broken: Any) -> None:
    response = await through("badargs", plain(200, json.dumps(whole).encode()))
    assert response.json() == broken


async def test_arguments_in_a_stream_never_close() -> None:
    parts = ['{"a": ', '{"b": 1}', "}"]
    spoken = events(
        *(
            {"choices": [{"delta": {"tool_calls": [{"function": {"arguments": part}}]}}]}
            for part in parts
        ),
        b"[DONE]",
    )
    response = await through("badargs", stream_of(EVENT_HEAD, spoken))
    pieces = [
        each["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"]
        for each in payloads(response.text)
    ]
    assert "".join(pieces) == '{"a": {"b": 1'
    assert response.text.endswith("data: [DONE]\n\n")
