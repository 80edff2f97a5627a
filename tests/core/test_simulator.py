"""The simulated Ollama, as its clients see it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import ollama
import pytest

from fuseboard.simulator import SimulatorSettings
from tests.core.serving import FAST, simulated

MODEL = "llama3.2"
EMBEDDER = "nomic-embed-text"


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with simulated(FAST) as url, httpx.AsyncClient(base_url=url) as client:
        yield client


@pytest.fixture
async def official() -> AsyncIterator[ollama.AsyncClient]:
    async with simulated(FAST) as url:
        client = ollama.AsyncClient(host=url)
        yield client
        await client._client.aclose()


def lines(body: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in body.splitlines()]


class TestTheOfficialClient:
    async def test_generates(self, official: ollama.AsyncClient) -> None:
        whole = await official.generate(MODEL, "hello", options={"seed": 1})
        assert whole.response
        assert whole.done_reason == "stop"
        assert whole.eval_count
        stream = await official.generate(MODEL, "hello", options={"seed": 1}, stream=True)
        pieces = [piece async for piece in stream]
        assert "".join(piece.response or "" for piece in pieces) == whole.response
        assert [piece.done for piece in pieces] == [False] * (len(pieces) - 1) + [True]
        assert pieces[-1].eval_count == len(pieces) - 1

    async def test_chats(self, official: ollama.AsyncClient) -> None:
        messages = [{"role": "user", "content": "hello"}]
        whole = await official.chat(MODEL, messages, options={"seed": 1})
        assert whole.message.role == "assistant"
        stream = await official.chat(MODEL, messages, options={"seed": 1}, stream=True)
        said = "".join([piece.message.content or "" async for piece in stream])
        assert said == whole.message.content

    async def test_embeds_lists_and_shows(self, official: ollama.AsyncClient) -> None:
        vectors = (await official.embed(EMBEDDER, ["one fuse", "two"])).embeddings
        assert [len(vector) for vector in vectors] == [384, 384]
        listed = (await official.list()).models
        assert [model.model for model in listed] == ["llama3.2:latest", "nomic-embed-text:latest"]
        assert [model.model for model in (await official.ps()).models] == [f"{EMBEDDER}:latest"]
        assert (await official.show(MODEL)).capabilities == ["completion"]


async def test_streams_one_object_a_line(http: httpx.AsyncClient) -> None:
    answer = await http.post("/api/generate", json={"model": MODEL, "prompt": "hello"})
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.text.endswith("\n")
    *pieces, last = lines(answer.text)
    assert not any(piece["done"] for piece in pieces)
    assert last["done"] is True
    assert last["response"] == ""
    durations = [last[f"{part}_duration"] for part in ("load", "prompt_eval", "eval")]
    assert 0 < sum(durations) <= last["total_duration"]  # type: ignore[arg-type, operator]


async def test_unstreamed_answers_have_a_length(http: httpx.AsyncClient) -> None:
    body = {"model": MODEL, "prompt": "hello", "stream": False}
    answer = await http.post("/api/generate", json=body)
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["content-length"] == str(len(answer.content))


async def test_headers_leave_with_the_first_token_and_not_before() -> None:
    never = SimulatorSettings(prompt_seconds=3600)
    async with simulated(never) as url, httpx.AsyncClient(base_url=url) as http:
        sending = asyncio.create_task(
            http.send(
                http.build_request("POST", "/api/generate", json={"model": MODEL, "prompt": "x"}),
                stream=True,
            )
        )
        # It works on the request: the model counts as loaded. And no header has come.
        while not (await http.get("/api/ps")).json()["models"]:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert not sending.done()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending


async def test_the_same_seed_says_the_same(http: httpx.AsyncClient) -> None:
    async def say(prompt: str, seed: int) -> str:
        body = {"model": MODEL, "prompt": prompt, "stream": False, "options": {"seed": seed}}
        text: str = (await http.post("/api/generate", json=body)).json()["response"]
        return text

    first = await say("hello", 1)
    assert await say("hello", 1) == first
    assert {await say("hello", seed) for seed in range(2, 8)} != {first}


async def test_num_predict_and_stop(http: httpx.AsyncClient) -> None:
    body = {"model": MODEL, "prompt": "hello", "stream": False, "options": {"num_predict": 3}}
    answer = (await http.post("/api/generate", json=body)).json()
    assert (answer["done_reason"], answer["eval_count"]) == ("length", 3)
    body["options"] = {"stop": [" "]}
    answer = (await http.post("/api/generate", json=body)).json()
    assert (answer["done_reason"], " " in answer["response"]) == ("stop", False)


@pytest.mark.parametrize(("keep_alive", "reason"), [(None, "load"), (0, "unload")])
async def test_an_empty_prompt_loads(
    http: httpx.AsyncClient, keep_alive: int | None, reason: str
) -> None:
    body = {"model": MODEL, "keep_alive": keep_alive}
    answer = (await http.post("/api/generate", json=body)).json()
    assert (answer["done"], answer["done_reason"], answer["response"]) == (True, reason, "")


@pytest.mark.parametrize(
    ("path", "content", "status", "error"),
    [
        ("/api/generate", b"", 400, "missing request body"),
        ("/api/generate", b"[]", 400, "the request body is not a JSON object"),
        ("/api/generate", b'{"model": "nope", "prompt": "x"}', 404, "model 'nope' not found"),
        ("/api/generate", b'{"prompt": "x"}', 400, "model is required"),
        ("/api/generate", b'{"model": "llama3.2", "prompt": 7}', 400, "prompt must be a string"),
        (
            "/api/chat",
            b'{"model": "nomic-embed-text", "messages": []}',
            400,
            '"nomic-embed-text" does not support chat',
        ),
        ("/api/embed", b'{"model": "nomic-embed-text", "input": 7}', 400, "invalid input type"),
        ("/api/show", b'{"model": "nope"}', 404, "model 'nope' not found"),
    ],
)
async def test_errors(
    http: httpx.AsyncClient, path: str, content: bytes, status: int, error: str
) -> None:
    answer = await http.post(path, content=content)  # whatever its Content-Type
    assert (answer.status_code, answer.json()) == (status, {"error": error})


async def test_broken_json_is_refused(http: httpx.AsyncClient) -> None:
    answer = await http.post("/api/chat", content=b'{"model":')
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("invalid JSON")


async def test_paths_and_methods(http: httpx.AsyncClient) -> None:
    assert (await http.get("/")).text == "Ollama is running"
    assert (await http.head("/")).status_code == 200
    assert (await http.get("/api/nothing")).text == "404 page not found"
    assert (await http.get("/api/nothing")).status_code == 404
    assert (await http.get("/api/generate")).status_code == 405
    assert (await http.get("/api/version")).json()["version"]


async def test_embeddings_of_texts_that_share_words_are_near(http: httpx.AsyncClient) -> None:
    texts = ["a breaker opens", "the breaker opens again", "bananas are yellow"]
    body = {"model": EMBEDDER, "input": texts}
    first, second, third = (await http.post("/api/embed", json=body)).json()["embeddings"]
    assert _dot(first, second) > 0.4 > _dot(first, third)
    legacy = await http.post("/api/embeddings", json={"model": EMBEDDER, "prompt": texts[0]})
    assert legacy.json() == {"embedding": first}
    assert _dot(first, first) == pytest.approx(1, abs=1e-3)


def _dot(first: list[float], second: list[float]) -> float:
    return sum(one * other for one, other in zip(first, second, strict=True))
