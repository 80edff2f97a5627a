"""Ollama's API of the simulator: with Ollama's own client, and byte by byte."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import ollama
import pytest

from fuseboard.simulator.settings import SimulatorSettings
from tests.core.serving import FAST, simulated

MODEL = "llama3.2"
EMBEDDER = "nomic-embed-text"


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with simulated(FAST) as it:
        yield it


@pytest.fixture
async def http(url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=url) as client:
        yield client


@pytest.fixture
async def official(url: str) -> AsyncIterator[ollama.AsyncClient]:
    client = ollama.AsyncClient(host=url)
    yield client
    await client._client.aclose()


def lines(body: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in body.split("\n") if line]


class TestTheOfficialClient:
    async def test_generates(self, official: ollama.AsyncClient) -> None:
        whole = await official.generate(MODEL, "hello", options={"seed": 1})
        assert whole.response
        assert (whole.model, whole.done_reason) == (MODEL, "stop")
        assert whole.eval_count
        stream = await official.generate(MODEL, "hello", options={"seed": 1}, stream=True)
        chunks = [chunk async for chunk in stream]
        assert "".join(chunk.response or "" for chunk in chunks) == whole.response
        assert [chunk.done for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
        assert chunks[-1].eval_count == len(chunks) - 1
        assert chunks[-1].context == whole.context
        assert whole.context

    async def test_chats(self, official: ollama.AsyncClient) -> None:
        messages = [{"role": "user", "content": "hello"}]
        whole = await official.chat(MODEL, messages, options={"seed": 1})
        assert whole.message.role == "assistant"
        stream = await official.chat(MODEL, messages, options={"seed": 1}, stream=True)
        text = "".join([chunk.message.content or "" async for chunk in stream])
        assert text == whole.message.content

    async def test_embeds_lists_and_shows(self, official: ollama.AsyncClient) -> None:
        vectors = (await official.embed(EMBEDDER, ["one fuse", "two"])).embeddings
        assert [len(vector) for vector in vectors] == [384, 384]
        assert (await official.embeddings(EMBEDDER, "one fuse")).embedding == vectors[0]
        listed = (await official.list()).models
        assert [model.model for model in listed] == ["llama3.2:latest", "nomic-embed-text:latest"]
        (running,) = (await official.ps()).models
        assert (running.model, running.context_length) == (f"{EMBEDDER}:latest", 2048)
        assert running.digest == listed[1].digest
        shown = await official.show(MODEL)
        assert shown.capabilities == ["completion", "tools"]
        assert shown.modelinfo is not None
        assert shown.modelinfo["general.architecture"] == "llama"

    async def test_has_its_errors(self, official: ollama.AsyncClient) -> None:
        with pytest.raises(ollama.ResponseError, match="model 'nope' not found") as caught:
            await anext(await official.generate("nope", "hello", stream=True))
        assert caught.value.status_code == 404


@contextmanager
def synchronous(url: str) -> Iterator[ollama.Client]:
    client = ollama.Client(host=url)
    try:
        yield client
    finally:
        client._client.close()


async def test_the_official_client_without_asyncio(url: str) -> None:
    def use() -> None:
        with synchronous(url) as client:
            assert client.generate(MODEL, "hello").response
            chunks = list(client.generate(MODEL, "hello", stream=True))
            assert chunks[-1].done
            messages = [{"role": "user", "content": "hello"}]
            assert client.chat(MODEL, messages).message.content
            assert [chunk.done for chunk in client.chat(MODEL, messages, stream=True)][-1]
            assert len(client.embed(EMBEDDER, "hello").embeddings) == 1
            assert len(client.list().models) == len(client.ps().models) == 2
            assert client.show(EMBEDDER).capabilities == ["embedding"]

    await asyncio.to_thread(use)


async def test_streams_one_object_a_line(http: httpx.AsyncClient) -> None:
    response = await http.post("/api/generate", json={"model": MODEL, "prompt": "hello"})
    assert response.headers["content-type"] == "application/x-ndjson"
    assert response.headers["transfer-encoding"] == "chunked"
    assert response.text.endswith("}\n")
    *chunks, last = lines(response.text)
    assert not any(chunk["done"] for chunk in chunks)
    assert last["done"] is True
    assert last["response"] == ""
    durations = [last[f"{part}_duration"] for part in ("load", "prompt_eval", "eval")]
    assert 0 < sum(durations) <= last["total_duration"]
    for chunk in (*chunks, last):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d*[1-9])?Z", chunk["created_at"])
    compact = json.dumps(chunks[0], separators=(",", ":"), ensure_ascii=False)
    assert response.text.startswith(compact + "\n")


async def test_unstreamed_answers_have_a_length(http: httpx.AsyncClient) -> None:
    body = {"model": MODEL, "prompt": "hello", "stream": False}
    response = await http.post("/api/generate", json=body)
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert response.headers["content-length"] == str(len(response.content))


async def test_headers_leave_with_the_first_token_and_not_before() -> None:
    never = SimulatorSettings(prompt_seconds=3600, load_seconds=0)
    async with simulated(never) as url, httpx.AsyncClient(base_url=url) as http:
        sending = asyncio.create_task(
            http.send(
                http.build_request("POST", "/api/generate", json={"model": MODEL, "prompt": "x"}),
                stream=True,
            )
        )
        # The request is in progress, since the model is listed as loaded, and no header has come.
        while not (await http.get("/api/ps")).json()["models"]:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert not sending.done()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending


async def test_what_could_be_markup_is_escaped_as_go_does(http: httpx.AsyncClient) -> None:
    schema = {"const": "<b> & \u2028"}
    body = {"model": MODEL, "prompt": "x", "stream": False, "format": schema}
    response = await http.post("/api/generate", json=body)
    assert "\\u003cb\\u003e \\u0026 \\u2028" in response.text
    assert json.loads(response.json()["response"]) == schema["const"]


FIELD = "json: cannot unmarshal {} into Go struct field {} of type {}"
FULL = "registry.ollama.ai/library/llama3.2:latest"
MUST_BE = 'option "{}" must be of {}'


@pytest.mark.parametrize(
    ("path", "content", "status", "error"),
    [
        ("generate", b"", 400, "missing request body"),
        ("chat", b" \n", 400, "missing request body"),
        ("embed", b"", 400, "missing request body"),
        ("embeddings", b"", 400, "missing request body"),
        ("show", b"", 400, "missing request body"),
        ("chat", b'{"model":', 400, "unexpected EOF"),
        ("chat", b'{"model": "ll', 400, "unexpected EOF"),
        ("chat", b"<html>", 400, "invalid character '<' looking for beginning of value"),
        (
            "generate",
            b"[]",
            400,
            "json: cannot unmarshal array into Go value of type api.GenerateRequest",
        ),
        (
            "generate",
            b'{"model": "llama3.2", "prompt": 7}',
            400,
            FIELD.format("number", "GenerateRequest.prompt", "string"),
        ),
        (
            "chat",
            b'{"model": "llama3.2", "stream": "no"}',
            400,
            FIELD.format("string", "ChatRequest.stream", "bool"),
        ),
        (
            "chat",
            b'{"model": "llama3.2", "messages": "hi"}',
            400,
            FIELD.format("string", "ChatRequest.messages", "[]api.Message"),
        ),
        (
            "chat",
            b'{"model": "llama3.2", "messages": [{"role": "user", "content": true}]}',
            400,
            FIELD.format("bool", "ChatRequest.messages.content", "string"),
        ),
        (
            "chat",
            b'{"model": "llama3.2", "options": []}',
            400,
            FIELD.format("array", "ChatRequest.options", "map[string]interface {}"),
        ),
        ("generate", b'{"model": "nope", "prompt": "x"}', 404, "model 'nope' not found"),
        ("generate", b'{"prompt": "x"}', 404, "model '' not found"),
        ("generate", b'{"model": "a b", "prompt": "x"}', 400, "invalid model name"),
        ("chat", b'{"model": "nope"}', 404, "model 'nope' not found"),
        ("chat", b"{}", 400, "model is required"),
        ("embed", b'{"model": "m"}', 404, 'model "m" not found, try pulling it first'),
        ("embed", b"{}", 404, "model '' not found"),
        ("embed", b'{"model": "nomic-embed-text", "input": 7}', 400, "invalid input type"),
        ("embed", b'{"model": "nomic-embed-text", "input": ["a", 1]}', 400, "invalid input type"),
        ("embeddings", b'{"model": "m"}', 404, 'model "m" not found, try pulling it first'),
        ("embeddings", b"{}", 400, "model is required"),
        ("show", b'{"model": "nope"}', 404, "model 'nope:latest' not found"),
        ("show", b"{}", 400, "model is required"),
        (
            "chat",
            b'{"model": "nomic-embed-text", "messages": []}',
            400,
            '"nomic-embed-text" does not support chat',
        ),
        (
            "generate",
            b'{"model": "nomic-embed-text", "prompt": "x"}',
            400,
            '"nomic-embed-text" does not support generate',
        ),
        (
            "generate",
            b'{"model": "llama3.2", "think": true}',
            400,
            '"llama3.2" does not support thinking',
        ),
        (
            "chat",
            b'{"model": "llama3.2", "think": "hard"}',
            400,
            'invalid think value: "hard" (must be "high", "medium", "low", "max", true, or false)',
        ),
        (
            "generate",
            b'{"model": "llama3.2", "prompt": "a", "suffix": "b"}',
            400,
            f"{FULL} does not support insert",
        ),
        (
            "generate",
            b'{"model": "llama3.2", "prompt": "a", "raw": true, "system": "b"}',
            400,
            "raw mode does not support template, system, or context",
        ),
        (
            "generate",
            b'{"model": "llama3.2", "prompt": "a", "images": ["aGk="]}',
            500,
            "this model is missing data required for image input",
        ),
        (
            "generate",
            b'{"model": "llama3.2", "prompt": "a", "format": "xml"}',
            500,
            r'invalid format: "\"xml\""; expected "json" or a valid JSON Schema object',
        ),
        (
            "generate",
            b'{"model": "llama3.2", "keep_alive": "soon"}',
            400,
            'time: invalid duration "soon"',
        ),
        ("embed", b'{"model": "llama3.2", "keep_alive": true}', 400, "Unsupported type: 'bool'"),
        (
            "generate",
            b'{"model": "llama3.2", "options": {"num_predict": "1"}}',
            500,
            MUST_BE.format("num_predict", "type integer"),
        ),
        (
            "generate",
            b'{"model": "llama3.2", "options": {"temperature": true}}',
            500,
            MUST_BE.format("temperature", "type float32"),
        ),
        (
            "chat",
            b'{"model": "llama3.2", "options": {"stop": "."}}',
            500,
            MUST_BE.format("stop", "type array"),
        ),
        (
            "chat",
            b'{"model": "llama3.2", "options": {"stop": [1]}}',
            500,
            MUST_BE.format("stop", "an array of strings"),
        ),
    ],
)
async def test_errors(
    http: httpx.AsyncClient, path: str, content: bytes, status: int, error: str
) -> None:
    response = await http.post(f"/api/{path}", content=content)  # whatever its Content-Type
    assert (response.status_code, response.json()) == (status, {"error": error})
    assert response.headers["content-type"] == "application/json; charset=utf-8"


async def test_bodies_are_read_as_leniently_as_ollama_does(http: httpx.AsyncClient) -> None:
    body = json.dumps({"model": "LLAMA3.2:latest", "prompt": "x", "stream": False, "seed": None})
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    response = await http.post("/api/generate", content=body + " and more", headers=form)
    assert response.json()["done"] is True
    lonely = '{"model": "llama3.2", "prompt": "\\ud800", "stream": false, "options": {"seed": 1}}'
    assert (await http.post("/api/generate", content=lonely)).status_code == 200


async def test_what_a_model_can_take_is_taken(http: httpx.AsyncClient) -> None:
    tool = {"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}
    message = {"role": "user", "content": "hello"}
    body = {"model": MODEL, "messages": [message], "tools": [tool], "think": False, "stream": False}
    response = await http.post("/api/chat", json={**body, "options": {"num_ctx": 8192, "x": "y"}})
    assert response.json()["message"]["content"]
    raw = {"model": MODEL, "prompt": "hello", "raw": True, "stream": False}
    response = await http.post("/api/generate", json=raw)
    assert "context" not in response.json()


async def test_paths_and_methods(http: httpx.AsyncClient) -> None:
    root = await http.get("/")
    assert (root.status_code, root.text) == (200, "Ollama is running")
    missing = await http.get("/api/nothing")
    assert (missing.status_code, missing.text) == (404, "404 page not found")
    wrong = await http.get("/api/generate")
    assert (wrong.status_code, wrong.text) == (405, "405 method not allowed")
    assert wrong.headers["allow"] == "POST"
    assert (await http.get("/api/version")).json()["version"]
    heads = [await http.head(path) for path in ("/", "/api/version", "/api/tags", "/api/ps")]
    assert [head.status_code for head in heads] == [200, 200, 200, 405]


async def test_embeddings_of_texts_that_share_words_are_near(http: httpx.AsyncClient) -> None:
    texts = ["a breaker opens", "the breaker opens again", "bananas are yellow"]
    body = {"model": EMBEDDER, "input": texts}
    response = (await http.post("/api/embed", json=body)).json()
    first, second, third = response["embeddings"]
    assert _dot(first, second) > 0.4 > _dot(first, third)
    assert _dot(first, first) == pytest.approx(1, abs=1e-3)
    assert 0 < response["load_duration"] <= response["total_duration"]
    legacy = await http.post("/api/embeddings", json={"model": EMBEDDER, "prompt": texts[0]})
    assert legacy.json() == {"embedding": first}


async def test_embeddings_of_nothing_and_of_fewer_dimensions(http: httpx.AsyncClient) -> None:
    async def embed(**fields: object) -> dict[str, Any]:
        response = await http.post("/api/embed", json={"model": EMBEDDER, **fields})
        body: dict[str, Any] = response.json()
        return body

    assert await embed(input="") == {"model": EMBEDDER, "embeddings": []}
    assert (await http.post("/api/embeddings", json={"model": EMBEDDER})).json() == {
        "embedding": []
    }
    (few,) = (await embed(input="one two three", dimensions=300))["embeddings"]
    assert len(few) == 300
    assert _dot(few, few) == pytest.approx(1, abs=1e-3)
    long = "word " * 3000
    assert len((await embed(input=long))["embeddings"]) == 1
    too_long = {"error": "the input length exceeds the context length"}
    assert await embed(input=long, truncate=False) == too_long


def _dot(first: list[float], second: list[float]) -> float:
    return sum(one * other for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize(
    "wrong",
    [
        {"chat_models": ("a b",)},
        {"embedding_models": ("",)},
        {"tokens_per_second": 0.0},
        {"prompt_seconds": -1.0},
        {"load_seconds": float("inf")},
        {"parallel": 0},
        {"max_queue": -1},
    ],
)
def test_settings_that_make_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        SimulatorSettings(**wrong)
