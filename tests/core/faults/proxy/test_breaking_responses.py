"""Where a response breaks, whatever pieces it comes in and whatever API it is of."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from fuseboard.faults.catalogue import BY_NAME
from fuseboard.faults.switches import FaultSwitches
from tests.core.ollama.test_client import STREAM_HEAD, http_chunk, plain, skip_ahead, writes
from tests.core.serving import ResponseHandler, proxied, raw_server, served

EVENT_HEAD = STREAM_HEAD.replace(b"application/x-ndjson", b"text/event-stream")

LINES = [b'{"response":"%d","done":false}\n' % n for n in range(6)] + [b'{"done":true}\n']
EVENTS = [b'data: {"choices":[{"delta":{"content":"%d"}}]}\n\n' % n for n in range(6)] + [
    b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n',
    b"data: [DONE]\n\n",
]


def name_of(function: object) -> str:
    return str(getattr(function, "__name__", ""))


def on(fault: str, **changes: object) -> FaultSwitches:
    switches = FaultSwitches()
    switches.switch(fault, active=True, setting=BY_NAME[fault].setting(**changes))
    return switches


async def through(
    switches: FaultSwitches, handler: ResponseHandler, path: str = "/api/chat"
) -> httpx.Response:
    async with (
        raw_server(handler) as upstream,
        proxied(upstream, switches) as url,
        httpx.AsyncClient(base_url=url) as http,
    ):
        return await http.post(path, json={"model": "m"})


def in_one_piece(head: bytes, body: bytes) -> ResponseHandler:
    return writes(head + http_chunk(body) + http_chunk(b""))


def byte_by_byte(head: bytes, body: bytes) -> ResponseHandler:
    return writes(head, *(http_chunk(bytes([byte])) for byte in body), http_chunk(b""))


def chunk_by_chunk(head: bytes, body: bytes) -> ResponseHandler:
    end = b"\n\n" if head is EVENT_HEAD else b"\n"
    chunks = [chunk + end for chunk in body.split(end)[:-1]]
    return writes(head, *map(http_chunk, chunks), http_chunk(b""))


Pieces = Callable[[bytes, bytes], ResponseHandler]
PIECES: list[Pieces] = [in_one_piece, byte_by_byte, chunk_by_chunk]


@pytest.mark.parametrize("pieces", PIECES, ids=name_of)
@pytest.mark.parametrize(("head", "chunks"), [(STREAM_HEAD, LINES), (EVENT_HEAD, EVENTS)])
@pytest.mark.parametrize("before", [0, 1, 3, 6])
async def test_a_stream_is_cut_between_its_chunks(
    pieces: Pieces, head: bytes, chunks: list[bytes], before: int
) -> None:
    response = await through(on("cut", chunks=before), pieces(head, b"".join(chunks)))
    assert response.content == b"".join(chunks[:before])


@pytest.mark.parametrize("pieces", PIECES, ids=name_of)
@pytest.mark.parametrize(("head", "chunks"), [(STREAM_HEAD, LINES), (EVENT_HEAD, EVENTS)])
async def test_a_short_stream_is_cut_before_it_is_complete(
    pieces: Pieces, head: bytes, chunks: list[bytes]
) -> None:
    response = await through(on("cut", chunks=50), pieces(head, b"".join(chunks)))
    assert response.content == b"".join(chunks[:6])


@pytest.mark.parametrize("size", [1, 10, 100, 1000])
async def test_a_body_of_known_length_is_cut_in_its_middle(size: int) -> None:
    body = json.dumps({"embeddings": [[0.25] * 50]}).encode()
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    handler = writes(plain(200, body).removesuffix(body), *pieces)
    response = await through(on("cut"), handler, "/api/embed")
    assert response.content == body[: len(body) // 2]


async def test_a_line_of_unknown_length_is_cut_in_its_middle() -> None:
    head = STREAM_HEAD.replace(b"x-ndjson", b"json")
    for body in (b'{"a":"bcdefgh"}', b'{"a":"bcdefgh"}\n'):
        response = await through(on("cut"), in_one_piece(head, body))
        assert response.content == body[: len(body) // 2]


async def test_a_body_of_several_lines_counts_them() -> None:
    head = STREAM_HEAD.replace(b"x-ndjson", b"json")
    response = await through(on("cut"), byte_by_byte(head, b"{\n1\n2\n3\n4\n}\n"))
    assert response.content == b"{\n1\n2\n"


CUDA = "CUDA error: out of memory"
ERRORS: dict[str, object] = {
    "/api/chat": {"error": CUDA},
    "/v1/chat/completions": {
        "error": {"message": CUDA, "type": "api_error", "param": None, "code": None}
    },
    "/v1/messages": {"type": "error", "error": {"type": "api_error", "message": CUDA}},
    "/v1beta/models/gemini-pro:streamGenerateContent": {
        "error": {"code": 500, "message": CUDA, "status": "INTERNAL"}
    },
}


@pytest.mark.parametrize("path", ERRORS)
async def test_an_error_in_a_stream_has_the_form_of_its_api(path: str) -> None:
    head, chunks = (STREAM_HEAD, LINES) if path == "/api/chat" else (EVENT_HEAD, EVENTS)
    handler = in_one_piece(head, b"".join(chunks))
    response = await through(on("errorline"), handler, path)
    said = response.text.removeprefix(b"".join(chunks[:3]).decode())
    error = json.dumps(ERRORS[path])
    if path == "/v1/messages":
        assert said == f"event: error\ndata: {error}\n\n"
    else:
        assert said == (f"{error}\n" if path == "/api/chat" else f"data: {error}\n\n")


@pytest.mark.parametrize(
    ("fault", "status", "path", "error"),
    [
        ("overload529", 529, "/api/chat", {"error": "Overloaded"}),
        (
            "overload529",
            529,
            "/v1/messages",
            {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
        ),
        (
            "limit429",
            429,
            "/v1/messages",
            {
                "type": "error",
                "error": {
                    "type": "rate_limit_error",
                    "message": "usage limit reached, please try again later",
                },
            },
        ),
        (
            "limit429",
            429,
            "/v1beta/models/g:generateContent",
            {
                "error": {
                    "code": 429,
                    "message": "usage limit reached, please try again later",
                    "status": "RESOURCE_EXHAUSTED",
                    "details": [
                        {
                            "@type": "type.googleapis.com/google.rpc.RetryInfo",
                            "retryDelay": "5s",
                        }
                    ],
                }
            },
        ),
        (
            "missing404",
            404,
            "/v1beta/openai/chat/completions",
            [{"error": {"code": 404, "message": "model 'm' not found", "status": "NOT_FOUND"}}],
        ),
        (
            "missing404",
            404,
            "/v1/messages",
            {
                "type": "error",
                "error": {"type": "not_found_error", "message": "model 'm' not found"},
            },
        ),
    ],
)
async def test_an_error_has_the_form_of_its_api(
    fault: str, status: int, path: str, error: object
) -> None:
    response = await through(on(fault), writes(), path)
    assert (response.status_code, response.json()) == (status, error)


@pytest.mark.parametrize(
    ("seconds", "header", "milliseconds"),
    [(0.4, "1", "400"), (5.0, "5", "5000"), (1.2, "2", "1200"), (0.0001, "1", "1")],
)
async def test_a_limit_of_fractions_says_when_to_come_back(
    seconds: float, header: str, milliseconds: str
) -> None:
    got = (await through(on("limit429", seconds=seconds), writes())).headers
    assert (got["retry-after"], got["retry-after-ms"]) == (header, milliseconds)


GENERATING = [
    "/api/generate",
    "/api/chat",
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/messages",
    "/v1beta/models/gemini-pro:streamGenerateContent",
]


@pytest.mark.parametrize("path", [*GENERATING, "/api/embed", "/v1/embeddings", "/v1/models"])
async def test_a_wedge_hangs_what_generates_in_every_api(path: str) -> None:
    switches = on("wedge")
    handler = writes(plain(200, b"{}"))
    async with (
        raw_server(handler) as upstream,
        proxied(upstream, switches) as url,
        httpx.AsyncClient(base_url=url, timeout=5) as http,
    ):
        if path in GENERATING:
            with pytest.raises(httpx.ReadTimeout):
                await http.post(path, json={}, extensions={"trace": SkipWhenSent()})
        else:
            assert (await http.post(path, json={})).status_code == 200


class SkipWhenSent:
    """Let a request's timeout pass as soon as the request has been sent."""

    async def __call__(self, name: str, _: object) -> None:
        if name == "http11.receive_response_headers.started":
            # A moment later, when the timeout has begun to run.
            asyncio.get_running_loop().call_later(0.05, skip_ahead, 6)


async def test_a_wedge_can_be_set_to_hang_other_paths() -> None:
    switches = on("wedge", paths=("/v1/models",))
    async with (
        raw_server(writes(plain(200, b"{}"))) as upstream,
        proxied(upstream, switches) as url,
        httpx.AsyncClient(base_url=url, timeout=5) as http,
    ):
        assert (await http.post("/api/chat", json={})).status_code == 200
        with pytest.raises(httpx.ReadTimeout):
            await http.get("/v1/models", extensions={"trace": SkipWhenSent()})


async def long_answer(_: Request) -> JSONResponse:
    return JSONResponse({"embeddings": [[0.5] * 1000]})


@pytest.fixture
async def compressing() -> AsyncIterator[str]:
    """Yield the URL of a server that compresses for whoever accepts it."""
    app = Starlette(
        routes=[Route("/{path:path}", long_answer, methods=["POST"])],
        middleware=[Middleware(GZipMiddleware)],
    )
    async with served(app) as url:
        yield url


@pytest.mark.parametrize("fault", ["errorline", "garbage", "cut", "length"])
async def test_a_fault_before_a_compressed_answer_is_seen_as_meant(
    compressing: str, fault: str
) -> None:
    async with (
        proxied(compressing, on(fault)) as url,
        httpx.AsyncClient(base_url=url, headers={"Accept-Encoding": "gzip"}) as http,
    ):
        response = await http.post("/api/embed", json={})
    assert "content-encoding" not in response.headers
    expected = {
        "errorline": b'{"error": "CUDA error: out of memory"}\n',
        "garbage": b"data: \x00\xff\xfe{]\n\n",
        "cut": (await long_answer(None)).body[: len((await long_answer(None)).body) // 2],  # type: ignore[arg-type]
        "length": (await long_answer(None)).body,  # type: ignore[arg-type]
    }
    assert response.content == expected[fault]


@pytest.mark.parametrize("fault", ["errorline", "garbage"])
async def test_a_server_that_compresses_unasked_is_answered_for(fault: str) -> None:
    body = gzip.compress(b"".join(LINES))
    head = STREAM_HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
    response = await through(on(fault), in_one_piece(head, body))
    assert response.content in (
        b'{"error": "CUDA error: out of memory"}\n',
        b"data: \x00\xff\xfe{]\n\n",
    )
