"""Requests that are meant to cost much."""

from __future__ import annotations

import asyncio
import itertools
import json
import struct
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpx
import pytest

from fuseboard.simulator.request_body import MAX_BODY
from tests.core.serving import simulated

MODEL = "llama3.2"
EMBEDDER = "nomic-embed-text"


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with simulated() as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        yield client


def schema_of_seven_arrays() -> dict[str, object]:
    schema: dict[str, object] = {}
    for _ in range(7):
        schema = {"type": "array", "minItems": 100, "items": schema}
    return schema


async def turns_while(waiting: asyncio.Task[Any]) -> int:
    """Count the turns of the loop, which the server shares, until a task is done."""
    turns = 0
    while not waiting.done():
        await asyncio.sleep(0.001)
        turns += 1
    return turns


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/generate", {"prompt": "x", "format": schema_of_seven_arrays()}),
        ("/api/chat", {"messages": [{"role": "user"}], "format": schema_of_seven_arrays()}),
        (
            "/v1/chat/completions",
            {
                "messages": [{"role": "user", "content": "x"}],
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"schema": schema_of_seven_arrays()},
                },
            },
        ),
        (
            "/v1/responses",
            {
                "input": "x",
                "text": {"format": {"type": "json_schema", "schema": schema_of_seven_arrays()}},
            },
        ),
        (
            "/v1/messages",
            {
                "max_tokens": 9,
                "messages": [{"role": "user", "content": "x"}],
                "tool_choice": {"type": "any"},
                "tools": [
                    {
                        "name": "f",
                        "input_schema": {
                            "properties": {"a": schema_of_seven_arrays()},
                            "required": ["a"],
                        },
                    }
                ],
            },
        ),
    ],
)
async def test_a_schema_that_asks_for_too_much_is_refused(
    http: httpx.AsyncClient, path: str, body: dict[str, Any]
) -> None:
    response = await http.post(path, json={"model": MODEL, **body})
    assert response.status_code == 400
    assert "it asks for more than " in response.text


async def test_a_history_of_many_messages_is_read_beside_the_loop(
    http: httpx.AsyncClient,
) -> None:
    message = {"role": "user", "content": "hello"}
    body = {"model": MODEL, "messages": [message] * 60_000, "stream": False}
    answered = asyncio.create_task(http.post("/api/chat", content=json.dumps(body)))
    turns = await turns_while(answered)
    response = await answered
    assert response.status_code == 200
    assert response.json()["prompt_eval_count"] <= 4096
    assert turns > 3, "the loop stood still"


async def test_too_many_values_are_refused(http: httpx.AsyncClient) -> None:
    body = '{"model": "llama3.2", "messages": [' + "[]," * 500_000 + "[]]}"
    response = await http.post("/api/chat", content=body)
    assert (response.status_code, response.json()) == (
        413,
        {"error": "the request has more than 400,000 values"},
    )


@pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions", "/v1/messages"])
async def test_a_large_body_is_refused_before_it_is_whole(
    http: httpx.AsyncClient, path: str
) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 65536
            yield b" " * 65536

    try:
        response = await http.post(path, content=endless())
    except httpx.TransportError:
        pass  # it closes the connection while the body is being sent
    else:
        assert response.status_code == 413
        assert "the request is larger than 8 MiB" in response.text
    assert sent < 4 * MAX_BODY


async def test_many_half_sent_bodies_do_not_fill_the_memory() -> None:
    async with simulated() as url:
        host, _, port = url.removeprefix("http://").partition(":")
        piece = b" " * (MAX_BODY - 1)
        head = f"POST /api/chat HTTP/1.1\r\nHost: {host}\r\nContent-Length: {MAX_BODY}\r\n\r\n"
        clients = []
        for _ in range(12):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(head.encode() + piece)
            clients.append((reader, writer))
        refused = asyncio.as_completed([reader.read(100) for reader, _ in clients])
        for answer in itertools.islice(refused, 4):
            with suppress(ConnectionError):  # it is closed while the body is being sent
                assert (await answer).startswith(b"HTTP/1.1 503 ")
        for _, writer in clients:
            writer.transport.abort()
        async with httpx.AsyncClient(base_url=url) as http:
            while True:  # until it has noticed that they left
                body = b" " * (MAX_BODY - 100) + b'{"model": "llama3.2", "stream": false}'
                if (await http.post("/api/chat", content=body)).status_code == 200:
                    break


@pytest.mark.parametrize(
    "path",
    ["/api/generate", "/api/chat", "/v1/chat/completions", "/v1/responses", "/v1/messages"],
)
@pytest.mark.parametrize("opening", ["[", '{"a":'])
async def test_deep_json_is_refused(http: httpx.AsyncClient, path: str, opening: str) -> None:
    body = '{"model": "llama3.2", "messages": ' + opening * 100_000
    response = await http.post(path, content=body)
    assert response.status_code == 400
    assert "nested too deep" in response.text


@pytest.mark.parametrize("choice", ["required", "none"])
async def test_what_a_response_repeats_is_not_too_deep_to_be_written(
    http: httpx.AsyncClient, choice: str
) -> None:
    for levels in (50, 100, 240, 260, 400, 800):
        deep: dict[str, Any] = {}
        for _ in range(levels // 2):
            deep = {"properties": {"a": deep}, "required": ["a"]}
        tool = {"type": "function", "name": "f", "parameters": deep}
        body = {"model": MODEL, "input": "x", "tools": [tool], "tool_choice": choice}
        response = await http.post("/v1/responses", json=body)
        is_fine = levels < (120 if choice == "required" else 250)
        assert response.status_code == (200 if is_fine else 400), levels


async def test_arguments_of_an_earlier_call_may_be_anything(http: httpx.AsyncClient) -> None:
    for arguments in ("[" * 100_000, "{", "[]", "7"):
        call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": arguments}}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
        body = {"model": MODEL, "messages": [message]}
        response = await http.post("/v1/chat/completions", json=body)
        assert response.json()["error"]["message"] == "invalid tool call arguments"


async def test_many_inputs_are_embedded_in_pieces(http: httpx.AsyncClient) -> None:
    body = {"model": EMBEDDER, "input": ["some words to embed"] * 2048}
    answered = asyncio.create_task(http.post("/api/embed", json=body))
    turns = await turns_while(answered)
    assert len((await answered).json()["embeddings"]) == 2048
    assert turns > 5, "the loop stood still"
    for path in ("/api/embed", "/v1/embeddings"):
        response = await http.post(path, json={"model": EMBEDDER, "input": ["a"] * 2049})
        assert response.status_code == 400
        assert "too many inputs: 2049, at most 2048 at once" in response.text


async def test_a_long_input_is_cut_or_refused(http: httpx.AsyncClient) -> None:
    text = "word " * 1_000_000
    response = await http.post("/api/embed", json={"model": EMBEDDER, "input": text})
    assert response.json()["prompt_eval_count"] == 2048
    body = {"model": EMBEDDER, "input": text, "truncate": False}
    response = await http.post("/api/embed", json=body)
    assert response.json() == {"error": "the input length exceeds the context length"}
    body = {"model": EMBEDDER, "input": text, "encoding_format": "base64"}
    response = await http.post("/v1/embeddings", json=body)
    assert response.json()["usage"]["prompt_tokens"] == 2048
    assert len(response.json()["data"][0]["embedding"]) == 4 * (384 * struct.calcsize("f")) // 3


@pytest.mark.parametrize(
    "fields",
    [
        {"options": {"num_predict": 10**18, "num_ctx": 10**18, "stop": ["zzz"] * 100_000}},
        {"options": {f"option{n}": n for n in range(50_000)}},
        {"keep_alive": "1h" * 20_000},
        {"keep_alive": 1e308},
    ],
)
async def test_large_settings_cost_little(http: httpx.AsyncClient, fields: object) -> None:
    body = {"model": MODEL, "prompt": "x", "stream": False, **fields}  # type: ignore[dict-item]
    response = await http.post("/api/generate", json=body)
    assert response.status_code == 200
    assert response.json()["eval_count"] < 200


async def test_a_long_prompt_is_cut_to_the_context(http: httpx.AsyncClient) -> None:
    body = {"model": MODEL, "prompt": "word " * 1_000_000, "stream": False}
    response = await http.post("/api/generate", json=body)
    assert response.json()["prompt_eval_count"] == 4096
    assert len(response.json()["context"]) == 4096


async def test_one_choice_is_made_however_many_are_asked_for(http: httpx.AsyncClient) -> None:
    messages = [{"role": "user", "content": "hello"}]
    body = {"model": MODEL, "messages": messages, "n": 10**12, "max_tokens": 10**12}
    response = await http.post("/v1/chat/completions", json=body)
    assert len(response.json()["choices"]) == 1
