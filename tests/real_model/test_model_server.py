from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.real_model.model_server import ModelServer

pytestmark = pytest.mark.real_model

_TIMEOUT = 30.0  # seconds of silence


def _chunks(response: httpx.Response) -> Iterator[dict[str, Any]]:
    for line in response.iter_lines():
        yield json.loads(line)


def _generate(server: ModelServer, prompt: str, **fields: object) -> dict[str, Any]:
    # Greedy; by default longer than any test needs.
    options = {"temperature": 0}
    return {
        "url": f"{server.url}/api/generate",
        "json": {"model": server.model, "prompt": prompt, "options": options, **fields},
        "timeout": _TIMEOUT,
    }


def test_tokens_stream_until_done(model_server: ModelServer) -> None:
    request = _generate(model_server, "Why is the sky blue?", options={"num_predict": 20})
    with httpx.stream("POST", **request) as response:
        assert response.status_code == 200
        assert response.headers["Content-Type"] == "application/x-ndjson"
        *tokens, last = _chunks(response)

    assert 10 < len(tokens) <= 20
    assert "".join(token["response"] for token in tokens).strip()
    assert not any(token["done"] for token in tokens)
    assert last["done"]
    assert "error" not in last


def test_the_model_is_listed_and_embeds(model_server: ModelServer) -> None:
    tags = httpx.get(f"{model_server.url}/api/tags", timeout=_TIMEOUT)
    assert model_server.model in [model["name"] for model in tags.json()["models"]]

    request = {"model": model_server.model, "input": ["a fuse", "a breaker"]}
    response = httpx.post(f"{model_server.url}/api/embed", json=request, timeout=_TIMEOUT)
    first, second = response.json()["embeddings"]
    assert len(first) == len(second) > 0
    assert first != second


def test_killing_the_model_breaks_a_stream_and_the_calls_after_it(
    model_server: ModelServer,
) -> None:
    with httpx.stream("POST", **_generate(model_server, "Write a very long story.")) as response:
        chunks = _chunks(response)
        assert not next(chunks)["done"]
        model_server.kill_model()
        *_, last = chunks
    # Both at once: a client that checks `done` first takes the broken stream for a complete one.
    assert last["done"]
    assert last["error"]

    with httpx.stream("POST", **_generate(model_server, "Anyone?")) as response:
        assert response.status_code == 200
        (only,) = _chunks(response)
    assert only["error"]

    response = httpx.post(**_generate(model_server, "Anyone?", stream=False))
    assert response.status_code == 502
    assert response.json()["error"]

    # The API's own process is healthy, so a probe of the version succeeds.
    assert httpx.get(f"{model_server.url}/api/version", timeout=_TIMEOUT).status_code == 200
