"""Whatever a server sends, and however it is cut, a judge raises nothing and says the same."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseboard.breaker.outcome import Ruling
from fuseboard.http import http_judge, judge_with, llm_judge, ollama_judge, openai_judge
from tests.core.http.judges.verdict_cases import load_cases

MIB = 1024 * 1024
CASES = load_cases()
PATHS = sorted({case.path for case in CASES} | {"/", "/api/pull", "/v1/files/f/content"})
MEDIA_TYPES = ["", "application/json", "application/x-ndjson", "text/event-stream", "text/plain",
               "text/html", "audio/mpeg", "application/octet-stream"]  # fmt: skip
JUDGES: list[Any] = [http_judge, llm_judge, ollama_judge, openai_judge,
                     judge_with(llm_judge, failures={402, "rate_limit_exceeded"})]  # fmt: skip

# JSON in the words of all APIs, with values of any type where others are due.
NAMES = st.sampled_from(
    [
        "audio", "base_resp", "candidates", "choices", "code", "content", "content_block",
        "data", "delta", "detail", "done", "done_reason", "embedding", "embeddings", "error",
        "error_type", "errors", "fault", "finish_reason", "finishReason", "generated_text",
        "id", "index", "input", "item", "message", "meta_info", "metadata", "msg", "object",
        "ok", "output", "raw", "response", "role", "status", "status_code", "status_msg",
        "stop", "stop_reason", "success", "text", "thinking", "token", "tool_calls", "type",
        "usage",
    ]
)  # fmt: skip
WORDS = st.sampled_from(
    [
        "error", "message", "stop", "abort", "null", "cancelled", "failed", "completed",
        "success", "response", "response.created", "response.done", "response.completed",
        "response.cancelled", "response.output_item.added", "message_start", "message_delta",
        "message_stop", "content_block_start", "content_block_delta", "ping", "tool_use",
        "chat.completion.chunk", "chat.completion", "400", "429", "500",
        "invalid_request_error", "server_error", "overloaded_error", "Unauthorized",
    ]
)  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.sampled_from([0, 1, 200, 400, 402, 429, 500, 1008, -1]),
    st.integers(), st.floats(), WORDS, st.text(max_size=8),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(NAMES, inner, max_size=4),
        inner.map(json.dumps),
    ),
    max_leaves=12,
)
DOCUMENTS = VALUES.map(lambda value: json.dumps(value).encode())
EVENTS = st.builds(
    lambda name, data: (f"event: {name}\n" if name else "").encode() + b"data: " + data + b"\n\n",
    st.sampled_from(["", "error", "ping", "message_stop", "response.completed"]),
    DOCUMENTS,
)
PIECES = st.one_of(
    st.sampled_from([case.body.encode() for case in CASES]),
    st.sampled_from([b"\n", b"\r\n", b" ", b"\xef\xbb\xbf", b"data: [DONE]\n\n", b"error: {}\n\n",
                     b": x\n\n", b"<html>", b"[" * 3000, b'{"error":' * 3000]),
    EVENTS,
    DOCUMENTS,
    DOCUMENTS.map(lambda line: line + b"\n"),
    st.binary(max_size=12),
)  # fmt: skip
BODIES = st.one_of(PIECES, st.lists(PIECES, max_size=5).map(b"".join))
REQUESTS = st.one_of(DOCUMENTS, st.just(b'{"input":["a","b"]}'), st.binary(max_size=8))


@st.composite
def cut_bodies(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    body = draw(BODIES)
    ends = sorted(draw(st.lists(st.integers(0, len(body)), max_size=20)))
    return body, [body[a:b] for a, b in zip([0, *ends], [*ends, len(body)], strict=True)]


def judged(
    make: Any, request: httpx.Request, status: int, media_type: str, chunks: Sequence[bytes]
) -> tuple[Ruling, bool]:
    judge = make(request)
    judge.begin(status, httpx.Headers({"Content-Type": media_type} if media_type else {}))
    for chunk in chunks:
        judge.feed(chunk)
        assert judge.ruling is None or judge.ruling.reason is not None
    ruling = judge.end()
    assert judge.end() == ruling
    return ruling, judge.content_started


@given(
    cutting=cut_bodies(),
    make=st.sampled_from(JUDGES),
    method=st.sampled_from(["POST", "POST", "GET", "DELETE", "HEAD"]),
    path=st.sampled_from(PATHS),
    sent=REQUESTS,
    status=st.sampled_from([200, 200, 200, 200, 204, 302, 400, 404, 429, 500, 503]),
    media_type=st.sampled_from(MEDIA_TYPES),
)
def test_nothing_is_raised_and_the_ruling_does_not_depend_on_the_cuts(
    cutting: tuple[bytes, list[bytes]],
    make: Any,
    method: str,
    path: str,
    sent: bytes,
    status: int,
    media_type: str,
) -> None:
    body, chunks = cutting
    request = httpx.Request(method, f"http://here{path}", content=sent)
    whole = judged(make, request, status, media_type, [body])
    assert judged(make, request, status, media_type, chunks) == whole
    assert len(whole[0].reason) < 150


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat", "/v1/messages", "/v1/embed"])
@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize(
    "nested",
    [
        b"[" * 100_000,
        b'{"error":' * 100_000,
        b"[" * 900 + b"]" * 900,
        b'{"error":' * 900 + b"1" + b"}" * 900,
        b'{"message":' * 900 + b"1" + b"}" * 900,
        b'{"choices":[{"error":' * 300 + b"1" + b"}]}" * 300,
        b"data: " + b'{"error":' * 900 + b"1" + b"}" * 900 + b"\n\n",
    ],
    ids=["arrays", "objects", "whole arrays", "errors", "messages", "choices", "an event"],
)
def test_deep_nesting_is_no_exception(path: str, status: int, nested: bytes) -> None:
    request = httpx.Request("POST", f"http://here{path}")
    for media_type in ("application/json", "text/event-stream"):
        judged(llm_judge, request, status, media_type, [nested])


@pytest.mark.parametrize("media_type", ["application/json", "text/event-stream", "text/plain", ""])
@pytest.mark.parametrize(
    "chunk",
    [b" " * MIB, b"\n" * MIB, b"a" * MIB, b"[" * MIB, b": " + b"x" * (MIB - 3) + b"\n",
     b'data: {"a":1}\n\n' * 100,
     b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n' * 100],
    ids=["blanks", "blank lines", "text", "arrays", "comments", "events", "tokens"],
)  # fmt: skip
def test_an_endless_body_takes_bounded_memory(media_type: str, chunk: bytes) -> None:
    judge = llm_judge(httpx.Request("POST", "http://here/v1/chat/completions"))
    judge.begin(200, httpx.Headers({"Content-Type": media_type} if media_type else {}))
    tracemalloc.start()
    try:
        for _ in range(24):
            judge.feed(chunk)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 18 * MIB
    assert peak < 64 * MIB
    judge.end()


def test_choices_without_end_are_refused() -> None:
    judge = openai_judge(httpx.Request("POST", "http://here/v1/chat/completions"))
    judge.begin(200, httpx.Headers({"Content-Type": "text/event-stream"}))
    for index in range(5000):
        judge.feed(b'data: {"choices":[{"index":%d,"delta":{"content":"a"}}]}\n\n' % index)
    assert judge.end().reason == "answer is too long"
