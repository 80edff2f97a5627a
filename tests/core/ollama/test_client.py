"""The client against bytes on a socket: every way an Ollama fails, judged right."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fuseboard import CircuitBreaker, CircuitOpenError, ConsecutiveFailures, State, Verdict
from fuseboard.http.transport import RequestRejectedError
from fuseboard.ollama import (
    Deadlines,
    Message,
    ModelDetails,
    OllamaClient,
    OllamaError,
    Operation,
    RunningModel,
    breaker_per_operation,
)
from fuseboard.ollama.client import TextSettings
from fuseboard.server.sockets import bind, url_of
from tests.core.serving import ResponseHandler, raw_server, served, simulated

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter

MODEL = "llama3.2"
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
)
TOKEN = b'{"model":"m","response":"hi","done":false}\n'
DONE = b'{"model":"m","response":"","done":true,"done_reason":"stop","eval_count":1}\n'


def http_chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def plain(status: int, body: bytes, *headers: bytes) -> bytes:
    head = [b"HTTP/1.1 %d Said" % status, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join([*head, b"", body])


END = http_chunk(b"")


def reset(writer: Writer) -> None:
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Script:
    """A server that handles the first request with `first` and serves every later one well."""

    def __init__(self, first: ResponseHandler) -> None:
        self.first = first
        self.requests = 0
        self.taken = asyncio.Event()

    async def respond(self, reader: Reader, writer: Writer) -> None:
        self.requests += 1
        if self.requests == 1:
            self.taken.set()
            await self.first(reader, writer)
        else:
            body = STREAM_HEAD + http_chunk(TOKEN) + http_chunk(DONE) + END
            writer.write(body.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
            await writer.drain()


def writes(*parts: bytes) -> ResponseHandler:
    async def respond(_: Reader, writer: Writer) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()

    return respond


def writes_then(last: Callable[[Writer], None], *parts: bytes) -> ResponseHandler:
    async def respond(reader: Reader, writer: Writer) -> None:
        await writes(*parts)(reader, writer)
        last(writer)

    return respond


class SkippingClock:
    def __init__(self, real: Callable[[], float]) -> None:
        self.skipped = 0.0
        self._real = real

    def __call__(self) -> float:
        return self._real() + self.skipped


def skip_ahead(seconds: float) -> None:
    """Advance the event loop's clock: timers that expire until then fire now."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop.time, SkippingClock):
        loop.time = SkippingClock(loop.time)  # type: ignore[method-assign]
    loop.time.skipped += seconds


def hangs_after(*parts: bytes) -> ResponseHandler:
    """Write some parts, let the client read them, advance the clock by an hour, write no more."""

    async def respond(reader: Reader, writer: Writer) -> None:
        await writes(*parts)(reader, writer)
        for _ in range(50):
            await asyncio.sleep(0)
        skip_ahead(3600)
        await reader.read()  # until the client leaves

    return respond


def breakers() -> dict[Operation, CircuitBreaker]:
    return breaker_per_operation(lambda name: CircuitBreaker(name, trip=ConsecutiveFailures(9)))


@asynccontextmanager
async def client_of(
    url: str, guards: dict[Operation, CircuitBreaker], **settings: object
) -> AsyncIterator[OllamaClient]:
    async with OllamaClient(url, guards, **settings) as client:  # type: ignore[arg-type]
        yield client


async def generate(client: OllamaClient, *, stream: bool = True) -> str:
    chunks = client.generate("hello", model=MODEL, stream=stream)
    return "".join([chunk.text async for chunk in chunks])


def verdicts(breaker: CircuitBreaker) -> tuple[int, int, int, int]:
    seen = breaker.snapshot()
    return seen.calls.success, seen.calls.failure, seen.calls.ignored, seen.in_flight


FAILURE, IGNORED = (0, 1, 0, 0), (0, 0, 1, 0)

MODES: list[tuple[str, ResponseHandler, tuple[int, int, int, int], str]] = [
    ("reset before headers", writes_then(reset), FAILURE, "connection reset"),
    ("close before headers", writes(), FAILURE, "closed without an answer"),
    ("no headers", hangs_after(), FAILURE, "no first token within 5 s"),
    (
        "runner crash",
        writes(plain(500, b'{"error":"llama runner process has terminated"}')),
        FAILURE,
        "HTTP 500: llama runner process has terminated",
    ),
    ("error without words", writes(plain(500, b"")), FAILURE, "HTTP 500"),
    ("error page", writes(plain(502, b"<html>bad gateway</html>")), FAILURE, "HTTP 502"),
    ("error in text", writes(plain(502, b"bad gateway\nmore")), FAILURE, "HTTP 502: bad gateway"),
    (
        "queue full",
        writes(plain(503, b'{"error":"server busy, please try again."}')),
        FAILURE,
        "HTTP 503: server busy, please try again.",
    ),
    (
        "limit",
        writes(plain(429, b'{"error":{"message":"slow down"}}', b"Retry-After: 7")),
        FAILURE,
        "HTTP 429: slow down",
    ),
    (
        "unknown model",
        writes(plain(404, b'{"error":"model \'m\' not found"}')),
        IGNORED,
        "HTTP 404: model 'm' not found",
    ),
    ("bad request", writes(plain(400, b'{"error":"no"}')), IGNORED, "HTTP 400: no"),
    (
        "error line",
        writes(STREAM_HEAD, http_chunk(TOKEN), http_chunk(b'{"error":"out of memory"}\n'), END),
        FAILURE,
        "error in the answer: out of memory",
    ),
    (
        "done and error on one line",
        writes(STREAM_HEAD, http_chunk(b'{"done":true,"error":"Connection error."}\n'), END),
        FAILURE,
        "error in the answer: Connection error.",
    ),
    (
        "clean end without done",
        writes(STREAM_HEAD, http_chunk(TOKEN), END),
        FAILURE,
        "stream ended without done",
    ),
    ("empty stream", writes(STREAM_HEAD, END), FAILURE, "empty answer"),
    (
        "broken framing",
        writes(STREAM_HEAD, http_chunk(TOKEN), b"zz\r\n"),
        FAILURE,
        "answer is not HTTP",
    ),
    ("stream breaks off", writes(STREAM_HEAD, http_chunk(TOKEN)), FAILURE, "answer broke off"),
    (
        "reset in mid-stream",
        writes_then(reset, STREAM_HEAD, http_chunk(TOKEN)),
        FAILURE,
        "connection reset",
    ),
    (
        "hang in mid-stream",
        hangs_after(STREAM_HEAD, http_chunk(TOKEN)),
        FAILURE,
        "no token for 5 s",
    ),
    ("garbage", writes(STREAM_HEAD, http_chunk(b"\x00\xff\n"), END), FAILURE, "answer is not JSON"),
    (
        "half a line",
        writes(STREAM_HEAD, http_chunk(TOKEN), http_chunk(DONE[:20]), END),
        FAILURE,
        "answer is not JSON",
    ),
    (
        "a list",
        writes(STREAM_HEAD, http_chunk(b"[1]\n"), END),
        FAILURE,
        "answer is not a JSON object",
    ),
    (
        "another shape",
        writes(STREAM_HEAD, http_chunk(b'{"response":7,"done":false}\n'), END),
        FAILURE,
        "response is not text",
    ),
    ("not HTTP", writes(b"SSH-2.0-OpenSSH\r\n\r\n"), FAILURE, "answer is not HTTP"),
    (
        "whole, and half of it is missing",
        writes(plain(200, TOKEN + DONE)[:-9]),
        FAILURE,
        "answer broke off",
    ),
    ("whole, not done", writes(plain(200, TOKEN.strip())), FAILURE, "stream ended without done"),
    ("whole, half JSON", writes(plain(200, TOKEN[:-9])), FAILURE, "answer is not JSON"),
    (
        "whole, out of memory",
        writes(plain(200, b'{"error":"CUDA error: out of memory"}')),
        FAILURE,
        "error in the answer: CUDA error: out of memory",
    ),
    (
        "the runner's port is in the error",
        writes(plain(500, b'{"error":"Post \\"http://127.0.0.1:36423/completion\\": EOF"}')),
        FAILURE,
        'HTTP 500: Post "http://127.0.0.1:…/completion": EOF',
    ),
    (
        "the prompt is in the error",
        writes(STREAM_HEAD, http_chunk(b'{"error":"cannot tokenize: hello"}\n'), END),
        FAILURE,
        "error in the answer: cannot tokenize …",
    ),
    (
        "packed without being asked to",
        writes(plain(200, gzip.compress(TOKEN + DONE), b"Content-Encoding: gzip")),
        FAILURE,
        "answer cannot be decoded",
    ),
]


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize(
    ("respond", "verdict", "reason"), [mode[1:] for mode in MODES], ids=[mode[0] for mode in MODES]
)
async def test_every_failure_is_judged_right(
    respond: ResponseHandler, verdict: tuple[int, int, int, int], reason: str, stream: bool
) -> None:
    guards = breakers()
    script = Script(respond)
    if not stream and reason == "no first token within 5 s":
        reason = "not finished within 60 s"
    async with raw_server(script.respond) as url, client_of(url, guards) as client:
        with pytest.raises(OllamaError) as caught:
            await generate(client, stream=stream)
        assert caught.value.reason == reason
        assert verdicts(guards[Operation.GENERATE]) == verdict
        expected = Verdict.FAILURE if verdict == FAILURE else Verdict.IGNORED
        assert caught.value.verdict is expected
        assert await generate(client) == "hi", "the next call on the same client must succeed"


async def test_a_refused_connection_is_a_failure() -> None:
    guards = breakers()
    with bind("127.0.0.1", 0) as listener:
        url = url_of(listener)
    async with client_of(url, guards) as client:
        with pytest.raises(OllamaError, match=r"^connect refused$"):
            await generate(client)
    assert verdicts(guards[Operation.GENERATE]) == FAILURE


async def test_a_400_on_an_embedding_is_a_failure() -> None:
    guards = breakers()
    respond = writes(plain(400, b'{"error":"EOF"}'))
    async with raw_server(respond) as url, client_of(url, guards) as client:
        with pytest.raises(OllamaError, match=r"^HTTP 400: EOF$"):
            await client.embed(["text"], model=MODEL)
    assert verdicts(guards[Operation.EMBED]) == FAILURE


def drips(*gaps: float, chunk: bytes = TOKEN) -> ResponseHandler:
    """Write a chunk repeatedly, each followed by a gap in seconds; then the end."""

    async def respond(reader: Reader, writer: Writer) -> None:
        writer.write(STREAM_HEAD)
        for gap in gaps:
            writer.write(http_chunk(chunk))
            await writer.drain()
            for _ in range(20 if gap else 1):
                await asyncio.sleep(0)
            if gap:
                skip_ahead(gap)
        await writes(http_chunk(DONE), END)(reader, writer)

    return respond


async def test_a_drip_meets_the_total_deadline() -> None:
    guards = breakers()
    deadlines = Deadlines(slowest_pace=0)
    drip = drips(*[4] * 20)  # each gap is shorter than the deadline between tokens
    async with (
        raw_server(Script(drip).respond) as url,
        client_of(url, guards, deadlines=deadlines) as client,
    ):
        with pytest.raises(OllamaError, match=r"^not finished within 60 s$"):
            await generate(client)
    assert verdicts(guards[Operation.GENERATE]) == FAILURE


@pytest.mark.parametrize(
    ("pace", "tokens", "gaps"),
    [
        (0.5, 1, [4] * 5),
        (0.5, 1, [0] * 50 + [4] * 5),
        (0.5, 0, [2] * 10),
        (20, 10, [0.4] * 30 + [1] * 15),
        (0.01, 1, [0] * 5 + [250] * 5),
    ],
    ids=["from the start", "after a burst", "without a line", "fast, then half as fast", "slow"],
)
async def test_a_drip_meets_the_slowest_pace(
    pace: float, tokens: int, gaps: Sequence[float]
) -> None:
    guards = breakers()
    deadlines = Deadlines(slowest_pace=pace, total=9000, between_tokens=900)
    drip = drips(*gaps, chunk=TOKEN * tokens or TOKEN[:1])
    async with (
        raw_server(Script(drip).respond) as url,
        client_of(url, guards, deadlines=deadlines) as client,
    ):
        with pytest.raises(OllamaError, match=rf"^slower than {pace:g} tokens/s$"):
            await generate(client)
    assert verdicts(guards[Operation.GENERATE]) == FAILURE


@pytest.mark.parametrize(
    ("pace", "tokens", "gaps"),
    [
        (0.5, 1, [1.9] * 40),
        (0.5, 20, [9] * 10),
        (0.5, 1, [4] * 2),
        (0.5, 1, [0] * 50 + [9]),
        (20, 10, [0.4] * 40),
        (0.01, 1, [90] * 10),
        (0, 1, [90] * 10),
    ],
)
async def test_a_stream_above_the_slowest_pace_is_no_drip(
    pace: float, tokens: int, gaps: Sequence[float]
) -> None:
    deadlines = Deadlines(slowest_pace=pace, total=9000, between_tokens=900)
    drip = drips(*gaps, chunk=TOKEN * tokens)
    async with raw_server(drip) as url, client_of(url, {}, deadlines=deadlines) as client:
        assert await generate(client) == "hi" * tokens * len(gaps)


async def test_thinking_counts_for_the_pace_and_as_the_first_token() -> None:
    thought = b'{"model":"m","response":"","thinking":"hm ","done":false}\n'
    deadlines = Deadlines(slowest_pace=0.5, first_token=5, total=9000, between_tokens=900)
    drip = drips(*[1.9] * 40, chunk=thought)
    async with raw_server(drip) as url, client_of(url, {}, deadlines=deadlines) as client:
        chunks = [chunk async for chunk in client.generate("hello", model=MODEL)]
    assert "".join(chunk.thinking for chunk in chunks) == "hm " * 40
    assert [chunk.text for chunk in chunks if chunk.text] == []
    assert chunks[-1].done


async def test_a_chat_has_its_thinking_in_the_message() -> None:
    thought = b'{"model":"m","message":{"role":"assistant","content":"","thinking":"hm"}}\n'
    answer = b'{"model":"m","message":{"role":"assistant","content":"yes"},"done":true}\n'
    respond = writes(STREAM_HEAD, http_chunk(thought), http_chunk(answer), END)
    async with raw_server(respond) as url, client_of(url, {}) as client:
        chunks = [chunk async for chunk in client.chat([Message("user", "?")], model=MODEL)]
    assert [(chunk.thinking, chunk.text) for chunk in chunks] == [("hm", ""), ("", "yes")]


async def test_a_slow_reader_is_no_drip() -> None:
    deadlines = Deadlines(total=9000)
    respond = drips(*[0] * 20)
    async with raw_server(respond) as url, client_of(url, {}, deadlines=deadlines) as client:
        text = ""
        async for chunk in client.generate("hello", model=MODEL):
            text += chunk.text
            skip_ahead(20)
        assert text == "hi" * 20


async def test_a_response_without_tokens_is_no_drip() -> None:
    async def slow(reader: Reader, writer: Writer) -> None:
        body = b'{"response":"all","done":true,"embeddings":[[1]]}'
        head, _, rest = plain(200, body, b"Connection: close").partition(b"\r\n\r\n")
        for part in (head + b"\r\n\r\n", *(rest[at : at + 9] for at in range(0, len(rest), 9))):
            await writes(part)(reader, writer)
            for _ in range(20):
                await asyncio.sleep(0)
            skip_ahead(4.5)

    async with raw_server(slow) as url, client_of(url, {}) as client:
        assert (await client.embed(["text"], model=MODEL)).vectors == ((1.0,),)
        chunks = [chunk async for chunk in client.generate("hello", model=MODEL, stream=False)]
    assert [chunk.text for chunk in chunks] == ["all"]


async def test_a_text_that_is_not_streamed_may_take_the_total_deadline() -> None:
    late = 0.0

    async def whole(reader: Reader, writer: Writer) -> None:
        for _ in range(20):
            await asyncio.sleep(0)
        skip_ahead(late)
        await writes(plain(200, DONE, b"Connection: close"))(reader, writer)

    async with raw_server(whole) as url, client_of(url, {}) as client:
        late = 50
        chunks = [chunk async for chunk in client.generate("hello", model=MODEL, stream=False)]
        assert [chunk.done for chunk in chunks] == [True]
        late = 70
        with pytest.raises(OllamaError, match=r"^not finished within 60 s$"):
            await anext(client.generate("hello", model=MODEL, stream=False))


MIB = 1024 * 1024
LONG_TOKEN = TOKEN.replace(b"hi", b"a" * MIB)
ENDLESS_ERROR = b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n"
PACKED_TOKENS = gzip.compress(LONG_TOKEN * 70)
PACKED = STREAM_HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")


@pytest.mark.parametrize(
    ("begin", "chunk", "verdict", "reason", "longest"),
    [
        ([STREAM_HEAD], http_chunk(LONG_TOKEN), FAILURE, "answer is too long", 64),
        ([STREAM_HEAD], http_chunk(b"a" * MIB), FAILURE, "answer is too long", 16),
        (
            [PACKED],
            http_chunk(gzip.compress(LONG_TOKEN * 70)),
            FAILURE,
            "answer cannot be decoded",
            1,
        ),
        ([ENDLESS_ERROR], http_chunk(b"a" * MIB), FAILURE, "HTTP 500: " + "a" * 119 + "…", 1),
        ([STREAM_HEAD, http_chunk(DONE)], http_chunk(b"a" * MIB), (1, 0, 0, 0), "", 64),
        ([b"HTTP/1.1 200 OK\r\n"], b"X: " + b"a" * MIB, FAILURE, "answer is too long", 1),
    ],
    ids=["tokens", "a line", "packed", "an error", "after the end", "a header"],
)
async def test_a_response_has_a_size_limit(
    begin: list[bytes],
    chunk: bytes,
    verdict: tuple[int, int, int, int],
    reason: str,
    longest: int,
) -> None:
    guards = breakers()
    taken = 0
    left = asyncio.Event()

    async def endless(reader: Reader, writer: Writer) -> None:
        nonlocal taken
        try:
            await writes(*begin)(reader, writer)
            while True:
                writer.write(chunk)
                await writer.drain()
                taken += len(chunk)
        except ConnectionError:
            left.set()

    async with raw_server(Script(endless).respond) as url, client_of(url, guards) as client:
        async with asyncio.timeout(50):
            try:
                async for _ in client.generate("hello", model=MODEL):
                    pass
            except OllamaError as error:
                given = error.reason
            else:
                given = ""
            await left.wait()
        assert given == reason
        assert verdicts(guards[Operation.GENERATE]) == verdict
        assert taken < (longest + 12) * MIB, "socket buffers add to it"


async def test_cancelling_is_no_verdict() -> None:
    guards = breakers()

    async def hang(reader: Reader, _: Writer) -> None:
        await reader.read()

    script = Script(hang)
    async with raw_server(script.respond) as url, client_of(url, guards) as client:
        call = asyncio.create_task(generate(client))
        await script.taken.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert verdicts(guards[Operation.GENERATE]) == IGNORED
        assert await generate(client) == "hi"


async def test_stopping_after_a_good_chunk_is_a_success() -> None:
    guards = breakers()

    async def keep_streaming(reader: Reader, writer: Writer) -> None:
        writer.write(STREAM_HEAD + http_chunk(TOKEN) * 3)
        await reader.read()

    script = Script(keep_streaming)
    async with raw_server(script.respond) as url, client_of(url, guards) as client:
        async with aclosing(client.generate("hello", model=MODEL)) as chunks:
            async for chunk in chunks:
                assert chunk.text == "hi"
                break
        assert verdicts(guards[Operation.GENERATE]) == (1, 0, 0, 0)
        assert await generate(client) == "hi"


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
async def test_lines_survive_any_cutting_of_the_bytes(size: int) -> None:
    token = '{"response":"a\u2028b\u0085c é","done":false}\n'.encode()
    body = STREAM_HEAD + http_chunk(token + DONE) + END
    chunks: Sequence[bytes] = [body[at : at + size] for at in range(0, len(body), size)]
    guards = breakers()
    async with raw_server(writes(*chunks)) as url, client_of(url, guards) as client:
        assert await generate(client) == "a\u2028b\u0085c é"
    assert verdicts(guards[Operation.GENERATE]) == (1, 0, 0, 0)


async def test_a_response_without_a_newline_is_read_to_its_end() -> None:
    respond = writes(plain(200, DONE.strip().replace(b'"response":""', b'"response":"all"')))
    guards = breakers()
    async with raw_server(respond) as url, client_of(url, guards) as client:
        assert await generate(client) == "all"
    assert verdicts(guards[Operation.GENERATE]) == (1, 0, 0, 0)


async def test_an_open_breaker_sends_nothing() -> None:
    guards = breakers()
    guards[Operation.GENERATE].trip()
    script = Script(writes())
    async with raw_server(script.respond) as url, client_of(url, guards) as client:
        with pytest.raises(RequestRejectedError) as caught:
            await generate(client)
    assert isinstance(caught.value, CircuitOpenError)
    assert caught.value.state is State.OPEN
    assert caught.value.request.url.path == "/api/generate"
    assert script.requests == 0
    assert guards[Operation.GENERATE].snapshot().calls.rejected == 1


async def test_every_operation_works_and_has_its_own_breaker() -> None:
    guards = breakers()
    async with simulated() as url, client_of(url, guards) as client:
        chunks = [chunk async for chunk in client.generate("hello", model=MODEL)]
        assert chunks[-1].done
        assert chunks[-1].done_reason == "stop"
        assert chunks[-1].tokens == len(chunks) - 1
        assert chunks[-1].prompt_tokens > 0
        assert chunks[-1].seconds > 0
        assert chunks[-1].seconds >= chunks[-1].prompt_seconds + chunks[-1].text_seconds > 0
        texts = [p.text async for p in client.chat([Message("user", "hello")], model=MODEL)]
        assert "".join(texts)
        embeddings = await client.embed(["a", "b"], model="nomic-embed-text")
        assert [len(vector) for vector in embeddings.vectors] == [384, 384]
        assert next(iter(await client.tags())).name == "llama3.2:latest"
        assert await client.version()
        now = datetime.now(UTC)
        (loaded,) = [model for model in await client.ps() if model.name.startswith(MODEL)]
        assert loaded.expires_at > now - timedelta(hours=1)
        assert loaded.size >= loaded.size_vram > 0
        assert loaded.context_length > 0
        assert (await client.show(MODEL)).family == "llama"
        assert "embedding" in (await client.show("nomic-embed-text")).capabilities
    for operation, breaker in guards.items():
        assert breaker.name == f"ollama_{operation.name.lower()}"
        assert verdicts(breaker) == (2 if operation is Operation.SHOW else 1, 0, 0, 0)


@asynccontextmanager
async def recording_server(response: dict[str, object]) -> AsyncIterator[tuple[str, list[Request]]]:
    """Serve one response to every request; yield the URL and the list of requests."""
    received: list[Request] = []

    async def take(request: Request) -> Response:
        await request.body()
        received.append(request)
        return JSONResponse(response)

    routes = [Route(operation.value, take, methods=["GET", "POST"]) for operation in Operation]
    async with served(Starlette(routes=routes)) as url:
        yield url, received


async def test_settings_reach_the_server() -> None:
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}}
    settings: TextSettings = {
        "stream": False,
        "options": MappingProxyType({"seed": 7}),
        "format": schema,
        "keep_alive": "5m",
    }
    sent = {"model": "m", "stream": False, "options": {"seed": 7}, "format": schema}
    sent["keep_alive"] = "5m"
    messages = {"messages": [{"role": "user", "content": "half \ud83d a pair, é"}]}
    async with (
        recording_server({"done": True, "embeddings": [[1]]}) as (url, received),
        client_of(url, {}) as client,
    ):
        async for _ in client.generate("why?", model="m", system="be brief", **settings):
            pass
        async for _ in client.chat(
            [Message("user", "half \ud83d a pair, é")], model="m", **settings
        ):
            pass
        async for _ in client.generate("why?", model="m", options=None):
            pass
        await client.embed(["a"], model="m", truncate=False, options={"num_ctx": 8}, keep_alive=-1)
        bodies = [await request.json() for request in received]
    assert bodies == [
        {**sent, "prompt": "why?", "system": "be brief"},
        {**sent, **messages},
        {"model": "m", "prompt": "why?", "stream": True},
        {
            "model": "m",
            "input": ["a"],
            "truncate": False,
            "options": {"num_ctx": 8},
            "keep_alive": -1,
        },
    ]


async def test_invalid_settings_are_refused_at_once() -> None:
    async with client_of("http://here", {}) as client:
        with pytest.raises(TypeError, match="no setting 'sytem': stream, options, format"):
            client.generate("hello", model=MODEL, sytem="")  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="no setting 'stream': truncate, options"):
            await client.embed(["a"], model=MODEL, stream=False)  # type: ignore[call-arg]
        with pytest.raises(ValueError, match="not JSON compliant"):
            client.generate("hello", model=MODEL, options={"temperature": float("nan")})
        with pytest.raises(TypeError, match="not JSON serializable"):
            client.chat([Message("user", "hello")], model=MODEL, options={"stop": {"."}})


KEY = "sk-fuse-0123456789abcdef"


async def test_the_key_is_sent_and_never_exposed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    guards = breakers()

    async def refuse(request: Request) -> Response:
        authorization = request.headers.get("Authorization", "")
        if authorization == f"Bearer {KEY}" and request.url.path == Operation.VERSION.value:
            return JSONResponse({"version": "1"})
        return JSONResponse({"error": f"no such key: {authorization}"}, 500)

    routes = [Route(operation.value, refuse, methods=["GET", "POST"]) for operation in Operation]
    async with (
        served(Starlette(routes=routes)) as url,
        client_of(url, guards, api_key=f" {KEY}\n") as client,
        client_of(url, guards) as stranger,
    ):
        assert await client.version() == "1"
        with pytest.raises(OllamaError, match=r"^HTTP 500: no such key:$"):
            await stranger.version()
        with pytest.raises(OllamaError) as caught:
            await client.tags()
        assert caught.value.reason == "HTTP 500: no such key: Bearer …"
        exposed = [repr(client), repr(vars(client)), repr(caught.value), caplog.text]
        exposed += [repr(breaker.snapshot()) for breaker in guards.values()]
        exposed += [repr(breaker.history) for breaker in guards.values()]
    assert not [text for text in exposed if KEY in text]


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "clé"])
def test_a_key_that_a_header_cannot_contain_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="API key") as caught:
        OllamaClient("http://here", {}, api_key=key)
    assert key not in str(caught.value)


BAD_SHAPES: list[tuple[str, dict[str, object], str]] = [
    ("generate", {"response": 7}, "response is not text"),
    ("generate", {"done": True, "eval_count": "1"}, "eval_count is not a whole number"),
    ("generate", {"done": True, "eval_count": True}, "eval_count is not a whole number"),
    ("generate", {"done": True, "total_duration": 10**400}, "total_duration is not a whole number"),
    ("chat", {"message": "hi", "done": True}, "message is not an object"),
    ("chat", {"message": {"content": []}}, "content is not text"),
    ("embed", {}, "embeddings is not a list"),
    ("embed", {"embeddings": "11"}, "embeddings is not a list"),
    ("embed", {"embeddings": ["1"]}, "embeddings are not lists of numbers"),
    ("embed", {"embeddings": [[10**400]]}, "embeddings are not lists of numbers"),
    ("embed", {"embeddings": [["1"]]}, "embeddings are not lists of numbers"),
    ("embed", {"embeddings": [[1], [2]]}, "there is not one embedding for each input"),
    ("tags", {"models": None}, "models is not a list"),
    ("tags", {"models": ["m"]}, "models are not objects with names"),
    ("tags", {"models": [{"name": "m", "size": 1.5}]}, "size is not a whole number"),
    ("ps", {"models": [{"name": "m", "expires_at": "soon"}]}, "expires_at is not a time"),
    ("show", {"details": 1}, "details is not an object"),
    ("show", {"capabilities": [1]}, "capabilities are not texts"),
    (
        "show",
        {"model_info": {"general.architecture": "x", "x.context_length": "1"}},
        "context length is not a whole number",
    ),
    ("version", {"version": 1}, "version is not text"),
]


def ask(client: OllamaClient, operation: str) -> Coroutine[object, object, object]:
    calls: dict[str, Callable[[], Coroutine[object, object, object]]] = {
        "generate": lambda: generate(client),
        "chat": lambda: anext(client.chat([Message("user", "hello")], model=MODEL)),
        "embed": lambda: client.embed(["a"], model=MODEL),
        "tags": client.tags,
        "ps": client.ps,
        "show": lambda: client.show(MODEL),
        "version": client.version,
    }
    return calls[operation]()


@pytest.mark.parametrize(("operation", "response", "reason"), BAD_SHAPES)
async def test_a_response_of_another_shape_is_a_failure(
    operation: str, response: dict[str, object], reason: str
) -> None:
    guards = breakers()
    body = json.dumps(response).encode()
    async with raw_server(writes(plain(200, body))) as url, client_of(url, guards) as client:
        with pytest.raises(OllamaError) as caught:
            await ask(client, operation)
    assert caught.value.reason == reason
    assert verdicts(guards[Operation[operation.upper()]]) == FAILURE


async def test_the_properties_of_a_model() -> None:
    details = {"family": "llama", "parameter_size": "3.2B", "quantization_level": "Q4_K_M"}
    facts = {"general.architecture": "llama", "llama.context_length": 131072}
    response = {
        "details": {**details, "families": None},
        "model_info": {**facts, "llama.embedding_length": 3072, "tokenizer.ggml.tokens": None},
        "capabilities": ["completion", "tools"],
    }
    async with recording_server(response) as (url, _), client_of(url, {}) as client:
        assert await client.show("llama3.2") == ModelDetails(
            frozenset({"completion", "tools"}), "llama", "3.2B", "Q4_K_M", 131072, 3072
        )
    async with recording_server({"modelfile": ""}) as (url, _), client_of(url, {}) as client:
        assert await client.show("old") == ModelDetails(frozenset(), "", "", "", 0, 0)


async def test_the_properties_of_a_running_model() -> None:
    loaded = {
        "name": "llama3.2:latest",
        "model": "llama3.2:latest",
        "size": 3_000_000_000,
        "size_vram": 1_000_000_000,
        "expires_at": "2318-11-23T12:00:00.123456789+01:00",
        "context_length": 4096,
    }
    async with recording_server({"models": [loaded]}) as (url, _), client_of(url, {}) as client:
        (model,) = await client.ps()
    assert model == RunningModel(
        "llama3.2:latest",
        datetime(2318, 11, 23, 11, 0, 0, 123456, UTC),
        3_000_000_000,
        1_000_000_000,
        4096,
    )


async def test_more_calls_than_connections_wait_for_their_turn() -> None:
    guards = breakers()
    async with simulated() as url, client_of(url, guards, max_connections=2) as client:
        texts = await asyncio.gather(*(generate(client) for _ in range(20)))
    assert all(texts)
    assert verdicts(guards[Operation.GENERATE]) == (20, 0, 0, 0)


SENSELESS = [(name, n) for name in Deadlines.__slots__ for n in (0, -1, float("inf"), float("nan"))]


@pytest.mark.parametrize(
    ("name", "value"), [case for case in SENSELESS if case != ("slowest_pace", 0)]
)
def test_senseless_deadlines_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        Deadlines(**{name: value})


@pytest.mark.parametrize("url", ["", "127.0.0.1:11434", "ftp://here", "http://", "http://a:b:c"])
def test_an_invalid_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is not the URL of a server"):
        OllamaClient(url, {})
