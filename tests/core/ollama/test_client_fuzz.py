"""Whatever arrives on the socket, a call returns or raises `OllamaError`, and is counted once.

One server and one event loop serve all examples: a connection is what an example costs.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fuseboard import CircuitBreaker
from fuseboard.ollama import (
    Deadlines,
    Message,
    OllamaClient,
    OllamaError,
    Operation,
    breaker_per_operation,
)
from tests.core.http.test_pool import until
from tests.core.ollama.test_client import DONE, END, STREAM_HEAD, TOKEN, Reader, Writer, http_chunk
from tests.core.serving import raw_server

TIMEOUT = 60.0  # seconds, more than any deadline of the client
DEADLINES = Deadlines(first_token=10, between_tokens=10, total=20)

ClientCall = Callable[[OllamaClient], Coroutine[object, object, object]]


async def generate(client: OllamaClient, *, stream: bool = True) -> str:
    chunks = client.generate("hello", model="m", stream=stream)
    return "".join([chunk.text async for chunk in chunks])


async def chat(client: OllamaClient) -> str:
    chunks = client.chat([Message("user", "hello")], model="m")
    return "".join([chunk.text async for chunk in chunks])


CALLS: dict[Operation, list[ClientCall]] = {
    Operation.GENERATE: [generate, lambda client: generate(client, stream=False)],
    Operation.CHAT: [chat],
    Operation.EMBED: [lambda client: client.embed(["hello"], model="m")],
    Operation.TAGS: [lambda client: client.tags()],
    Operation.PS: [lambda client: client.ps()],
    Operation.SHOW: [lambda client: client.show("m")],
    Operation.VERSION: [lambda client: client.version()],
}
ALL_CALLS = [(operation, call) for operation, calls in CALLS.items() for call in calls]


class FuzzedServer:
    """A server that responds with given chunks, and a client of it."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        self.chunks: Sequence[bytes] = []
        self.breakers = breaker_per_operation(CircuitBreaker)
        self.runner.run(self._open())

    async def _open(self) -> None:
        self.stack = AsyncExitStack()
        url = await self.stack.enter_async_context(raw_server(self._respond))
        self.client = await self.stack.enter_async_context(
            OllamaClient(url, self.breakers, deadlines=DEADLINES, max_connections=2)
        )

    async def _respond(self, _: Reader, writer: Writer) -> None:
        for chunk in self.chunks:
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(0)

    def close(self) -> None:
        self.runner.run(self.stack.aclose())
        self.runner.close()

    def run(self, operation: Operation, call: ClientCall, chunks: Sequence[bytes]) -> str:
        """Run a call against these chunks and return its reason, empty on success."""
        return self.runner.run(self._run(operation, call, chunks))

    async def _run(self, operation: Operation, call: ClientCall, chunks: Sequence[bytes]) -> str:
        self.chunks = chunks
        breaker = self.breakers[operation]
        breaker.reset()
        before = breaker.snapshot().calls
        reason = ""
        async with asyncio.timeout(TIMEOUT):
            try:
                await call(self.client)
            except OllamaError as error:
                reason = error.reason
                assert reason
        after = breaker.snapshot()
        assert after.in_flight == 0
        assert after.calls.total == before.total + 1
        assert after.calls.rejected == before.rejected
        assert (after.calls.success == before.success + 1) == (not reason)
        await until(lambda: self.client.pool.snapshot().active == 0)
        return reason


@pytest.fixture(scope="module")
def server() -> Iterator[FuzzedServer]:
    server = FuzzedServer()
    yield server
    server.close()


FUZZ = settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    ["response", "message", "content", "done", "done_reason", "eval_count", "total_duration",
     "embeddings", "models", "name", "size", "details", "family", "expires_at", "capabilities",
     "model_info", "general.architecture", "version", "error", "model"]
)  # fmt: skip
OBJECTS = st.dictionaries(FIELDS, VALUES | st.dictionaries(FIELDS, VALUES, max_size=4), max_size=6)
LINES = st.one_of(
    OBJECTS.map(lambda item: json.dumps(item).encode()),
    st.sampled_from([TOKEN, DONE, b'{"error":"out of memory"}', b"[" * 5000, b"1" * 5000, b"NaN"]),
    st.sampled_from(
        [b'{"done":true,"total_duration":' + b"9" * 400 + b"}", b'{"eval_count":1e999}']
    ),
    st.binary(max_size=40),
)
BODIES = st.lists(LINES, max_size=6).map(b"\n".join)

HEADERS = st.lists(
    st.sampled_from(
        [b"Content-Type: application/x-ndjson", b"Content-Type: text/html; charset=\xff",
         b"Content-Length: 5", b"Content-Length: 5, 6", b"Content-Length: -1",
         b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked",
         b"Content-Encoding: gzip", b"Content-Encoding: br", b"Content-Encoding: secret, gzip",
         b"Set-Cookie: a=b; expires=never", b"Set-Cookie: \xff\xfe", b"Retry-After: soon",
         b"Retry-After: 99999999999999999999", b"Date: Thu, 99 Foo 0000", b"Connection: close",
         b"Location: http://[", b"X: " + b"y" * 70_000, b": nameless", b"no colon", b" folded: 1"]
    ) | st.binary(max_size=30),
    max_size=4,
)  # fmt: skip
STATUS_LINES = st.one_of(
    st.integers(100, 599).map(lambda status: b"HTTP/1.1 %d Said" % status),
    st.sampled_from([b"HTTP/1.1 200 OK", b"HTTP/1.0 200 OK", b"HTTP/2 200", b"HTTP/1.1 200",
                     b"HTTP/1.1 999 \xff", b"HTTP/1.1 20", b"ICY 200 OK", b"SSH-2.0-OpenSSH"]),
    st.binary(max_size=30),
)  # fmt: skip
FRAMES = st.one_of(
    BODIES,
    BODIES.map(lambda body: http_chunk(body) + END if body else END),
    st.lists(BODIES.map(lambda body: http_chunk(body or b" ")), max_size=3).map(b"".join),
    BODIES.map(gzip.compress),
    st.sampled_from(
        [b"zz\r\n", b"-1\r\n", b"ffffffffffffffffffffff\r\n", b"5;a=b\r\nhello\r\n0\r\n"]
    ),
)


@st.composite
def cut(draw: st.DrawFn, data: st.SearchStrategy[bytes]) -> list[bytes]:
    whole = draw(data)
    ends = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=4)))
    return [whole[a:b] for a, b in zip([0, *ends], [*ends, len(whole)], strict=True)]


@st.composite
def exchanges(draw: st.DrawFn) -> bytes:
    head = b"\r\n".join([draw(STATUS_LINES), *draw(HEADERS), b"", b""])
    return head + draw(FRAMES)


def framed(status: int, body: bytes, coding: bytes) -> bytes:
    if coding == b"gzip":
        body = gzip.compress(body)
    head = b"HTTP/1.1 %d Said\r\nContent-Length: %d\r\n" % (status, len(body))
    return head + (b"Content-Encoding: %b\r\n" % coding if coding else b"") + b"\r\n" + body


@FUZZ
@given(
    operation_and_call=st.sampled_from(ALL_CALLS), chunks=cut(exchanges() | st.binary(max_size=200))
)
def test_any_bytes_at_all(
    server: FuzzedServer, operation_and_call: tuple[Operation, ClientCall], chunks: list[bytes]
) -> None:
    server.run(*operation_and_call, chunks)


@FUZZ
@given(
    operation_and_call=st.sampled_from(ALL_CALLS),
    status=st.sampled_from([200, 200, 200, 204, 302, 400, 404, 429, 500, 503]),
    body=BODIES,
    coding=st.sampled_from([b"", b"", b"identity", b"gzip", b"deflate", b"br", b"secret"]),
)
@example((Operation.GENERATE, generate), 200, DONE, b"secret")
@example((Operation.GENERATE, generate), 302, b"", b"secret")
def test_any_response_in_a_proper_frame(
    server: FuzzedServer,
    operation_and_call: tuple[Operation, ClientCall],
    status: int,
    body: bytes,
    coding: bytes,
) -> None:
    reason = server.run(*operation_and_call, [framed(status, body, coding)])
    if status not in (200, 204):
        assert reason.startswith(f"HTTP {status}")


@FUZZ
@given(operation_and_call=st.sampled_from(ALL_CALLS), chunks=cut(BODIES))
def test_any_stream(
    server: FuzzedServer, operation_and_call: tuple[Operation, ClientCall], chunks: list[bytes]
) -> None:
    server.run(
        *operation_and_call, [STREAM_HEAD, *(http_chunk(chunk) for chunk in chunks if chunk), END]
    )
