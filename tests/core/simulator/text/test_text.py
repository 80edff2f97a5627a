"""The texts of the simulated models, and how options affect them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from fuseboard.traffic.rag.retrieval import grounded_prompt, read_corpus
from tests.core.serving import FAST, simulated

MODEL = "llama3.2"


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with simulated(FAST) as url, httpx.AsyncClient(base_url=url) as client:
        yield client


async def generate(
    http: httpx.AsyncClient, prompt: str = "hello", *, output: object = None, **options: object
) -> dict[str, Any]:
    body = {"model": MODEL, "prompt": prompt, "stream": False, "options": options}
    response = await http.post("/api/generate", json={**body, "format": output})
    assert response.status_code == 200, response.text
    result: dict[str, Any] = response.json()
    return result


async def text_of(http: httpx.AsyncClient, prompt: str = "hello", **options: object) -> str:
    text: str = (await generate(http, prompt, **options))["response"]
    return text


async def test_the_same_seed_gives_the_same_text(http: httpx.AsyncClient) -> None:
    first = await text_of(http, seed=1)
    assert await text_of(http, seed=1) == first
    assert {await text_of(http, seed=seed) for seed in range(2, 8)} != {first}
    assert len({await text_of(http) for _ in range(20)}) > 1


async def test_at_temperature_zero_a_prompt_has_one_text(http: httpx.AsyncClient) -> None:
    texts = {await text_of(http, temperature=0, seed=seed) for seed in (-1, 1, 2)}
    assert len(texts | {await text_of(http, temperature=0)}) == 1


async def test_num_predict_ends_a_text_by_its_length(http: httpx.AsyncClient) -> None:
    text = await text_of(http, seed=1)
    short = await generate(http, seed=1, num_predict=3)
    assert (short["done_reason"], short["eval_count"]) == ("length", 3)
    assert text.startswith(short["response"])
    for unlimited in (-1, 0, 10_000):
        response = await generate(http, seed=1, num_predict=unlimited)
        assert (response["done_reason"], response["response"]) == ("stop", text)


async def test_a_text_ends_before_what_stops_it(http: httpx.AsyncClient) -> None:
    text = await text_of(http, seed=1)
    within = text[17:22]  # not where a token begins
    cut = await generate(http, seed=1, stop=["not in it", text[40:50], within])
    assert (cut["response"], cut["done_reason"]) == (text[: text.index(within)], "stop")
    assert await text_of(http, seed=1, stop=[text[0]]) == ""


async def test_a_text_relates_to_the_prompt(http: httpx.AsyncClient) -> None:
    jitter = [await text_of(http, "Why does jitter help many clients?") for _ in range(20)]
    assert sum("Jitter keeps many clients" in text for text in jitter) > 15


async def test_it_answers_from_the_passages_of_a_prompt(http: httpx.AsyncClient) -> None:
    passages = read_corpus()[:3]
    response = await text_of(http, grounded_prompt("What is a closed breaker?", passages))
    sentences = [each.strip(".") for each in response.split(". ")]
    assert sentences
    assert all(any(each in passage for passage in passages) for each in sentences)


async def test_json_is_made_where_it_is_asked_for(http: httpx.AsyncClient) -> None:
    assert isinstance(json.loads((await generate(http, output="json"))["response"]), dict)
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "age": {"type": "integer", "minimum": 3, "maximum": 4},
            "height": {"type": "number"},
            "alive": {"type": "boolean"},
            "nothing": {"type": "null"},
            "kind": {"enum": ["cat", "dog"]},
            "friends": {"type": "array", "items": {"$ref": "#/$defs/Friend"}, "minItems": 3},
            "owner": {"anyOf": [{"$ref": "#/$defs/Friend"}, {"type": "null"}]},
        },
        "$defs": {"Friend": {"properties": {"name": {"type": ["string", "null"]}}}},
    }
    pet = json.loads((await generate(http, output=schema))["response"])
    assert list(pet) == list(schema["properties"])
    assert isinstance(pet["name"], str)
    assert pet["age"] in {3, 4}
    assert isinstance(pet["height"], float)
    assert isinstance(pet["alive"], bool)
    assert pet["nothing"] is None
    assert pet["kind"] in {"cat", "dog"}
    assert [type(friend["name"]) for friend in (*pet["friends"], pet["owner"])] == [str] * 4


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"child": {"$ref": "#"}}},
        {"type": "integer", "minimum": "low", "maximum": -5.5},
        {"type": ["integer", "null"], "minimum": 1e400, "maximum": False},
        {"type": "array", "items": 7},
        {"properties": []},
        {"type": 7},
        {"enum": []},
    ],
)
async def test_whatever_the_schema_it_is_json(http: httpx.AsyncClient, schema: object) -> None:
    content = json.dumps({"model": MODEL, "prompt": "x", "stream": False, "format": schema})
    response = await http.post("/api/generate", content=content.replace("Infinity", "1e400"))
    json.loads(response.json()["response"])


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "#/nowhere"},
        {"type": "array", "items": {"$ref": "#"}, "minItems": 1},
        {"type": "array", "items": 7, "minItems": 1e9},
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_schema_without_a_value_is_refused(
    http: httpx.AsyncClient, schema: object, stream: bool
) -> None:
    body = {"model": MODEL, "prompt": "x", "stream": stream, "format": schema}
    response = await http.post("/api/generate", json=body)
    assert response.status_code == 400
    assert response.json()["error"].startswith("invalid JSON schema in format: ")


async def test_a_schema_in_the_prompt_is_followed_where_only_json_is_asked_for(
    http: httpx.AsyncClient,
) -> None:
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
    prompt = f"{{not this}} {json.dumps({'nor': 'this'})} but {json.dumps(schema)} {{{{"
    response = await generate(http, output="json", prompt=prompt)
    assert list(json.loads(response["response"])) == ["age"]
