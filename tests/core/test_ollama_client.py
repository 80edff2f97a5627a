"""The client against bytes on a socket: every way an Ollama fails, judged right."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager

import pytest

from fuseboard import CircuitBreaker, CircuitOpenError, ConsecutiveFailures, State, Verdict
from fuseboard.listening import bind, url_of
from fuseboard.ollama import (
    Deadlines,
    Message,
    OllamaClient,
    OllamaError,
    Operation,
    breaker_per_operation,
)
from fuseboard.transport import RequestRejectedError
from tests.core.serving import Answer, raw_server, simulated

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter

MODEL = "llama3.2"
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
)
TOKEN = b'{"model":"m","response":"hi","done":false}\n'
DONE = b'{"model":"m","response":"","done":true,"done_reason":"stop","eval_count":1}\n'


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def plain(status: int, body: bytes, *headers: bytes) -> bytes:
    head = [b"HTTP/1.1 %d Said" % status, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join([*head, b"", body])


END = chunk(b"")


def reset(writer: Writer) -> None:
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Script:
    """A server that answers the first request as the test wants and each later one well."""

    def __init__(self, first: Answer) -> None:
        self.first = first
        self.requests = 0
        self.taken = asyncio.Event()

    async def answer(self, reader: Reader, writer: Writer) -> None:
        self.requests += 1
        if self.requests == 1:
            self.taken.set()
            await self.first(reader, writer)
        else:
            body = STREAM_HEAD + chunk(TOKEN) + chunk(DONE) + END
            writer.write(body.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
            await writer.drain()


def writes(*parts: bytes) -> Answer:
    async def answer(_: Reader, writer: Writer) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()

    return answer


def writes_then(last: Callable[[Writer], None], *parts: bytes) -> Answer:
    async def answer(reader: Reader, writer: Writer) -> None:
        await writes(*parts)(reader, writer)
        last(writer)

    return answer


def skip_ahead(seconds: float) -> None:
    """Let the event loop's clock jump: what was due by then happens now."""
    loop = asyncio.get_running_loop()
    real = loop.time
    loop.time = lambda: real() + seconds  # type: ignore[method-assign]


def hangs_after(*parts: bytes) -> Answer:
    """Write some parts, let an hour pass once the client has had time to read them, stay silent."""

    async def answer(reader: Reader, writer: Writer) -> None:
        await writes(*parts)(reader, writer)
        for _ in range(50):
            await asyncio.sleep(0)
        skip_ahead(3600)
        await reader.read()  # until the client leaves

    return answer


def breakers() -> dict[Operation, CircuitBreaker]:
    return breaker_per_operation(lambda name: CircuitBreaker(name, trip=ConsecutiveFailures(9)))


@asynccontextmanager
async def client_of(
    url: str, guards: dict[Operation, CircuitBreaker], **settings: object
) -> AsyncIterator[OllamaClient]:
    async with OllamaClient(url, guards, **settings) as client:  # type: ignore[arg-type]
        yield client


async def generate(client: OllamaClient) -> str:
    return "".join([piece.text async for piece in client.generate("hello", model=MODEL)])


def verdicts(breaker: CircuitBreaker) -> tuple[int, int, int, int]:
    seen = breaker.snapshot()
    return seen.calls.success, seen.calls.failure, seen.calls.ignored, seen.in_flight


FAILURE, IGNORED = (0, 1, 0, 0), (0, 0, 1, 0)

MODES: list[tuple[str, Answer, tuple[int, int, int, int], str]] = [
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
        writes(STREAM_HEAD, chunk(TOKEN), chunk(b'{"error":"out of memory"}\n'), END),
        FAILURE,
        "error in the answer: out of memory",
    ),
    (
        "done and error on one line",
        writes(STREAM_HEAD, chunk(b'{"done":true,"error":"Connection error."}\n'), END),
        FAILURE,
        "error in the answer: Connection error.",
    ),
    (
        "clean end without done",
        writes(STREAM_HEAD, chunk(TOKEN), END),
        FAILURE,
        "stream ended without done",
    ),
    ("empty stream", writes(STREAM_HEAD, END), FAILURE, "empty answer"),
    (
        "broken framing",
        writes(STREAM_HEAD, chunk(TOKEN), b"zz\r\n"),
        FAILURE,
        "answer is not HTTP",
    ),
    ("stream breaks off", writes(STREAM_HEAD, chunk(TOKEN)), FAILURE, "answer broke off"),
    (
        "reset in mid-stream",
        writes_then(reset, STREAM_HEAD, chunk(TOKEN)),
        FAILURE,
        "connection reset",
    ),
    (
        "hang in mid-stream",
        hangs_after(STREAM_HEAD, chunk(TOKEN)),
        FAILURE,
        "no token for 5 s",
    ),
    ("garbage", writes(STREAM_HEAD, chunk(b"\x00\xff\n"), END), FAILURE, "answer is not JSON"),
    (
        "half a line",
        writes(STREAM_HEAD, chunk(TOKEN), chunk(DONE[:20]), END),
        FAILURE,
        "answer is not JSON",
    ),
    ("a list", writes(STREAM_HEAD, chunk(b"[1]\n"), END), FAILURE, "answer is not a JSON object"),
    (
        "another shape",
        writes(STREAM_HEAD, chunk(b'{"response":7,"done":false}\n'), END),
        FAILURE,
        "response is not text",
    ),
    ("not HTTP", writes(b"SSH-2.0-OpenSSH\r\n\r\n"), FAILURE, "answer is not HTTP"),
]


@pytest.mark.parametrize(
    ("answer", "verdict", "reason"), [mode[1:] for mode in MODES], ids=[mode[0] for mode in MODES]
)
async def test_every_failure_is_judged_right(
    answer: Answer, verdict: tuple[int, int, int, int], reason: str
) -> None:
    guards = breakers()
    script = Script(answer)
    async with raw_server(script.answer) as url, client_of(url, guards) as client:
        with pytest.raises(OllamaError) as caught:
            await generate(client)
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
    answer = writes(plain(400, b'{"error":"EOF"}'))
    async with raw_server(answer) as url, client_of(url, guards) as client:
        with pytest.raises(OllamaError, match=r"^HTTP 400: EOF$"):
            await client.embed(["text"], model=MODEL)
    assert verdicts(guards[Operation.EMBED]) == FAILURE


async def test_a_drip_meets_the_total_deadline() -> None:
    guards = breakers()

    async def drip(reader: Reader, writer: Writer) -> None:
        writer.write(STREAM_HEAD)
        while not reader.at_eof():
            writer.write(chunk(TOKEN))
            await writer.drain()
            for _ in range(20):
                await asyncio.sleep(0)
            skip_ahead(4)  # each gap is shorter than the deadline between tokens

    async with raw_server(Script(drip).answer) as url, client_of(url, guards) as client:
        with pytest.raises(OllamaError, match=r"^not finished within 60 s$"):
            await generate(client)
    assert verdicts(guards[Operation.GENERATE]) == FAILURE


async def test_cancelling_is_no_verdict() -> None:
    guards = breakers()

    async def hang(reader: Reader, _: Writer) -> None:
        await reader.read()

    script = Script(hang)
    async with raw_server(script.answer) as url, client_of(url, guards) as client:
        call = asyncio.create_task(generate(client))
        await script.taken.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert verdicts(guards[Operation.GENERATE]) == IGNORED
        assert await generate(client) == "hi"


async def test_stopping_after_a_good_piece_is_a_success() -> None:
    guards = breakers()

    async def speak_on(reader: Reader, writer: Writer) -> None:
        writer.write(STREAM_HEAD + chunk(TOKEN) * 3)
        await reader.read()

    script = Script(speak_on)
    async with raw_server(script.answer) as url, client_of(url, guards) as client:
        async with aclosing(client.generate("hello", model=MODEL)) as pieces:
            async for piece in pieces:
                assert piece.text == "hi"
                break
        assert verdicts(guards[Operation.GENERATE]) == (1, 0, 0, 0)
        assert await generate(client) == "hi"


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
async def test_lines_survive_any_cutting_of_the_bytes(size: int) -> None:
    token = '{"response":"a\u2028b\u0085c é","done":false}\n'.encode()
    body = STREAM_HEAD + chunk(token + DONE) + END
    pieces: Sequence[bytes] = [body[at : at + size] for at in range(0, len(body), size)]
    guards = breakers()
    async with raw_server(writes(*pieces)) as url, client_of(url, guards) as client:
        assert await generate(client) == "a\u2028b\u0085c é"
    assert verdicts(guards[Operation.GENERATE]) == (1, 0, 0, 0)


async def test_an_answer_without_a_newline_is_read_to_its_end() -> None:
    answer = writes(plain(200, DONE.strip().replace(b'"response":""', b'"response":"all"')))
    guards = breakers()
    async with raw_server(answer) as url, client_of(url, guards) as client:
        assert await generate(client) == "all"
    assert verdicts(guards[Operation.GENERATE]) == (1, 0, 0, 0)


async def test_an_open_breaker_lets_nothing_out() -> None:
    guards = breakers()
    guards[Operation.GENERATE].trip()
    script = Script(writes())
    async with raw_server(script.answer) as url, client_of(url, guards) as client:
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
        pieces = [piece async for piece in client.generate("hello", model=MODEL)]
        assert pieces[-1].done
        assert pieces[-1].done_reason == "stop"
        assert pieces[-1].tokens == len(pieces) - 1
        assert pieces[-1].seconds > 0
        said = [p.text async for p in client.chat([Message("user", "hello")], model=MODEL)]
        assert "".join(said)
        embeddings = await client.embed(["a", "b"], model="nomic-embed-text")
        assert [len(vector) for vector in embeddings.vectors] == [384, 384]
        assert next(iter(await client.tags())).name == "llama3.2:latest"
        assert await client.version()
    for operation, breaker in guards.items():
        assert breaker.name == f"ollama_{operation.name.lower()}"
        assert verdicts(breaker) == (1, 0, 0, 0)


async def test_more_calls_than_connections_wait_for_their_turn() -> None:
    guards = breakers()
    async with simulated() as url, client_of(url, guards, max_connections=2) as client:
        answers = await asyncio.gather(*(generate(client) for _ in range(20)))
    assert all(answers)
    assert verdicts(guards[Operation.GENERATE]) == (20, 0, 0, 0)


@pytest.mark.parametrize("name", Deadlines.__slots__)
@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_senseless_deadlines_are_refused(name: str, seconds: float) -> None:
    with pytest.raises(ValueError, match=name):
        Deadlines(**{name: seconds})
