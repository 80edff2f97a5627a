"""OpenAI's API of the simulator: with OpenAI's own client, and byte by byte."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest

from tests.core.serving import FAST, simulated

MODEL = "llama3.2"
EMBEDDER = "nomic-embed-text"
UNMARSHAL = "json: cannot unmarshal {} into Go struct field {} of type {}"
MESSAGES: list[Any] = [{"role": "user", "content": "hello"}]


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with simulated(FAST) as it:
        yield f"{it}/v1"


@pytest.fixture
async def http(url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=url) as client:
        yield client


@pytest.fixture
async def official(url: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
        yield client


class TestTheOfficialClient:
    async def test_chats(self, official: openai.AsyncOpenAI) -> None:
        create = official.chat.completions.create
        whole = await create(model=MODEL, messages=MESSAGES, seed=1)
        text = whole.choices[0].message.content
        assert text
        assert whole.choices[0].finish_reason == "stop"
        assert whole.usage is not None
        stream = await create(model=MODEL, messages=MESSAGES, seed=1, stream=True)
        chunks = [chunk async for chunk in stream]
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == text
        assert len({chunk.id for chunk in chunks}) == 1
        assert [chunk.choices[0].finish_reason for chunk in chunks[-2:]] == [None, "stop"]
        assert len(chunks) - 1 == whole.usage.completion_tokens

    async def test_tells_the_usage_of_a_stream(self, official: openai.AsyncOpenAI) -> None:
        stream = await official.chat.completions.create(
            model=MODEL,
            messages=MESSAGES,
            max_tokens=3,
            stream=True,
            stream_options={"include_usage": True},
        )
        *_, end, last = [chunk async for chunk in stream]
        assert end.choices[0].finish_reason == "length"
        assert last.choices == []
        assert last.usage is not None
        assert last.usage.completion_tokens == 3
        assert last.usage.total_tokens == 3 + last.usage.prompt_tokens

    async def test_completes(self, official: openai.AsyncOpenAI) -> None:
        create = official.completions.create
        whole = await create(model=MODEL, prompt="hello", temperature=0)
        stream = await create(model=MODEL, prompt="hello", temperature=0, stream=True)
        chunks = [chunk async for chunk in stream]
        assert "".join(chunk.choices[0].text for chunk in chunks) == whole.choices[0].text
        assert chunks[-1].choices[0].finish_reason == "stop"
        cut = await create(model=MODEL, prompt="hello", temperature=0, stop=" ")
        assert cut.choices[0].text == whole.choices[0].text.partition(" ")[0]

    async def test_embeds(self, official: openai.AsyncOpenAI) -> None:
        packed = await official.embeddings.create(model=EMBEDDER, input=["a fuse", "two"])
        plain = await official.embeddings.create(
            model=EMBEDDER, input="a fuse", encoding_format="float"
        )
        assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-6)
        assert [len(each.embedding) for each in packed.data] == [384, 384]
        assert packed.usage.prompt_tokens == 3

    async def test_lists_models(self, official: openai.AsyncOpenAI) -> None:
        listed = [model.id async for model in official.models.list()]
        assert listed == ["llama3.2:latest", "nomic-embed-text:latest"]
        assert (await official.models.retrieve(MODEL)).owned_by == "library"

    async def test_makes_json(self, official: openai.AsyncOpenAI) -> None:
        schema = {"type": "object", "properties": {"city": {"type": "string"}}}
        form: Any = {"type": "json_schema", "json_schema": {"name": "place", "schema": schema}}
        messages: list[Any] = [{"role": "user", "content": [{"type": "text", "text": "Where?"}]}]
        response = await official.chat.completions.create(
            model=MODEL,
            messages=messages,
            response_format=form,
        )
        assert list(json.loads(response.choices[0].message.content or "")) == ["city"]

    async def test_has_its_errors(self, official: openai.AsyncOpenAI) -> None:
        with pytest.raises(openai.NotFoundError) as caught:
            await official.chat.completions.create(model="nope", messages=MESSAGES)
        assert caught.value.type == "not_found_error"
        with pytest.raises(openai.NotFoundError):
            await official.models.retrieve("nope")


async def test_a_stream_is_events(http: httpx.AsyncClient) -> None:
    body = {"model": MODEL, "messages": MESSAGES, "stream": True}
    response = await http.post("/chat/completions", json=body)
    assert response.headers["content-type"] == "text/event-stream"
    *events, done, rest = response.text.split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    for event in events:
        assert json.loads(event.removeprefix("data: "))["object"] == "chat.completion.chunk"


@pytest.mark.parametrize(
    ("path", "content", "status", "kind", "message"),
    [
        ("chat/completions", "", 400, "invalid_request_error", "EOF"),
        (
            "chat/completions",
            '{"model": "llama3.2", "messages": []}',
            400,
            "invalid_request_error",
            "[] is too short - 'messages'",
        ),
        (
            "chat/completions",
            '{"model": 7}',
            400,
            "invalid_request_error",
            UNMARSHAL.format("number", "ChatCompletionRequest.model", "string"),
        ),
        (
            "chat/completions",
            '{"model": "llama3.2", "messages": [{"role": "user", "content": 7}]}',
            400,
            "invalid_request_error",
            "invalid message content type: float64",
        ),
        (
            "chat/completions",
            '{"model": "llama3.2", "messages": [{"role": "user", "content": [{"type": "x"}]}]}',
            400,
            "invalid_request_error",
            "invalid message format",
        ),
        (
            "chat/completions",
            '{"model": "nomic-embed-text", "messages": [{"role": "user", "content": "x"}]}',
            400,
            "invalid_request_error",
            '"nomic-embed-text" does not support chat',
        ),
        (
            "completions",
            '{"model": "nope", "prompt": "x"}',
            404,
            "not_found_error",
            "model 'nope' not found",
        ),
        (
            "completions",
            '{"model": "llama3.2", "prompt": "x", "max_tokens": "3"}',
            400,
            "invalid_request_error",
            UNMARSHAL.format("string", "CompletionRequest.max_tokens", "int"),
        ),
        ("embeddings", '{"model": "m"}', 400, "invalid_request_error", "invalid input"),
        (
            "embeddings",
            '{"model": "nomic-embed-text", "input": "a", "encoding_format": "x"}',
            400,
            "invalid_request_error",
            "Invalid value for 'encoding_format' = x. Supported values: ['float', 'base64'].",
        ),
    ],
)
async def test_errors(
    http: httpx.AsyncClient, path: str, content: str, status: int, kind: str, message: str
) -> None:
    response = await http.post(path, content=content)
    error = {"message": message, "type": kind, "param": None, "code": None}
    assert (response.status_code, response.json()) == (status, {"error": error})
