"""A response has an embedding for each text that was sent, and each is of numbers."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from fuseboard.http import llm_judge

TWO = {"input": ["a", "b"]}
NOT_EACH = "there is not one embedding for each input"
NO_NUMBERS = "embeddings are not lists of numbers"
NONE = "answer without embeddings"


def data(*vectors: object) -> dict[str, object]:
    return {"object": "list", "data": [{"embedding": vector} for vector in vectors]}


def reason(path: str, asked: object, body: object) -> str:
    request = httpx.Request("POST", f"http://here{path}", json=asked)
    judge = llm_judge(request)
    judge.begin(200, httpx.Headers({"Content-Type": "application/json"}))
    judge.feed(json.dumps(body).encode())
    return judge.end().reason


@pytest.mark.parametrize(
    ("path", "asked", "body"),
    [
        ("/v1/embeddings", TWO, data([0.1], [0.2])),
        ("/v1/embeddings", {"input": "a"}, data([1, 2])),
        ("/v1/embeddings", {"input": [1, 2, 3]}, data([0.1])),
        ("/v1/embeddings", {"input": [[1, 2], [3]]}, data([0.1], [0.2])),
        ("/v1/embeddings", {"input": ""}, data([0.1])),
        ("/v1/embeddings", {"input": ""}, data()),
        ("/v1/embeddings", {}, data([0.1], [0.2], [0.3])),
        ("/v1/embeddings", {"input": "a", "output_dtype": "int8"}, data("////////")),
        ("/v1/embeddings", {"input": "a", "encoding_format": "base64"}, data("AACAPw==")),
        ("/api/embed", {"input": ["a", "b"]}, {"embeddings": [[0.1], [0.2]]}),
        ("/api/embed", {"input": ""}, {"embeddings": []}),
        ("/v2/embed", {"texts": ["a", "b"]}, {"embeddings": {"float": [[0.1], [0.2]]}}),
        ("/embed", {"inputs": "a"}, [[0.1, 0.2]]),
        ("/embed_all", {"inputs": ["a"]}, [[[0.1, 0.2], [0.3, 0.4]]]),
        ("/embedding", {"content": "a"}, [{"index": 0, "embedding": [[0.1, 0.2]]}]),
        ("/embedding", {"content": "a"}, {"embedding": [0.1, 0.2]}),
    ],
)
def test_good_embeddings(path: str, asked: object, body: object) -> None:
    assert reason(path, asked, body) == ""


@pytest.mark.parametrize(
    ("path", "asked", "body", "expected"),
    [
        ("/v1/embeddings", TWO, data([0.1]), NOT_EACH),
        ("/v1/embeddings", TWO, data([0.1], [0.2], [0.3]), NOT_EACH),
        ("/v1/embeddings", TWO, data(), NOT_EACH),
        ("/v1/embeddings", {}, data(), NONE),
        ("/v1/embeddings", TWO, {"object": "list"}, NONE),
        ("/v1/embeddings", TWO, {}, NONE),
        ("/v1/embeddings", TWO, "text", "answer is not a JSON object"),
        ("/v1/embeddings", TWO, data([0.1], []), NO_NUMBERS),
        ("/v1/embeddings", TWO, data([0.1], None), NO_NUMBERS),
        ("/v1/embeddings", TWO, data([0.1], [None]), NO_NUMBERS),
        ("/v1/embeddings", TWO, data([0.1], ["0.2"]), NO_NUMBERS),
        ("/v1/embeddings", TWO, data([0.1], [float("nan"), 0.2]), NO_NUMBERS),
        ("/v1/embeddings", TWO, data([0.1], [float("inf"), float("-inf")]), NO_NUMBERS),
        ("/v1/embeddings", TWO, data([0.1], [10**400]), NO_NUMBERS),
        ("/v1/embeddings", TWO, data("AACAPw==", ""), NO_NUMBERS),
        ("/v1/embeddings", TWO, data("AACAPw==", "AADAfw=="), NO_NUMBERS),
        ("/api/embed", TWO, {"embeddings": [[0.1], [float("nan")]]}, NO_NUMBERS),
        ("/api/embeddings", {"prompt": "a"}, {"embedding": []}, NOT_EACH),
        ("/v2/embed", {"texts": ["a", "b"]}, {"embeddings": {"float": [[0.1]]}}, NOT_EACH),
        ("/embed", {"inputs": ["a", "b"]}, [[0.1, 0.2]], NOT_EACH),
        ("/embed_all", {"inputs": ["a"]}, [[[0.1], [float("nan")]]], NO_NUMBERS),
    ],
)
def test_bad_embeddings(path: str, asked: object, body: object, expected: str) -> None:
    assert reason(path, asked, body) == expected


def test_a_request_that_cannot_be_read_again_asks_for_any_number() -> None:
    request = httpx.Request("POST", "http://here/v1/embeddings", content=iter([b"{}"]))
    judge: Any = llm_judge(request)
    judge.begin(200, httpx.Headers())
    judge.feed(json.dumps(data([0.1], [0.2])).encode())
    assert judge.end().reason == ""


@pytest.mark.parametrize("path", ["/api/embed", "/v1/embeddings", "/openai/v1/embeddings"])
@pytest.mark.parametrize(
    ("message", "verdict"),
    [
        ("the input length exceeds the context length", "ignored"),
        ("missing request body", "ignored"),
        ("invalid input type", "ignored"),
        ('"llama3.2" does not support embeddings', "ignored"),
        ("typeof input is no string", "ignored"),
        ("", "ignored"),
        ("EOF", "failure"),
        ('do embedding request: Post "http://127.0.0.1:34123/embedding": EOF', "failure"),
        ("read tcp 127.0.0.1:1->127.0.0.1:2: wsarecv: forcibly closed", "failure"),
        ("dial tcp 127.0.0.1:34123: connect: connection refused", "failure"),
        ("llama runner process has terminated: exit status 2", "failure"),
        ("CUDA error: out of memory", "failure"),
    ],
)
def test_a_400_of_the_callers_is_told_from_a_crashed_runners(
    path: str, message: str, verdict: str
) -> None:
    judge = llm_judge(httpx.Request("POST", f"http://here{path}", json=TWO))
    judge.begin(400, httpx.Headers())
    for body in ({"error": message}, {"error": {"message": message, "type": "x"}}):
        judge = llm_judge(httpx.Request("POST", f"http://here{path}", json=TWO))
        judge.begin(400, httpx.Headers())
        judge.feed(json.dumps(body).encode())
        assert judge.end().verdict.value == verdict
