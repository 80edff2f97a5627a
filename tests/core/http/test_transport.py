"""The breaker as a transport, under the clients of httpx and httpx2, against bytes on a socket."""

from __future__ import annotations

import asyncio
import gzip
import logging
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest

from fuseboard import Call, CircuitBreaker, CircuitOpenError, ConsecutiveFailures, State, Verdict
from fuseboard.breaker.outcome import Ruling
from fuseboard.faults.switches import FaultSwitches
from fuseboard.http import http_judge, ollama_judge, openai_judge
from fuseboard.http import httpx2 as for_httpx2
from fuseboard.http.guarded_transport import JUDGE_EXTENSION
from fuseboard.http.judge import Headers, Judge, Request
from fuseboard.http.judges.http import HttpJudge
from fuseboard.http.judges.transport_error import judge_error
from fuseboard.http.transport import BreakerTransport
from fuseboard.server.sockets import bind, url_of
from tests.core.ollama.test_client import (
    DONE,
    END,
    STREAM_HEAD,
    TOKEN,
    Reader,
    Writer,
    http_chunk,
    plain,
    reset,
    writes,
    writes_then,
)
from tests.core.ollama.test_client import MODES as OLLAMA_MODES
from tests.core.serving import ResponseHandler, proxied, raw_server, simulated

SUCCESS, FAILURE, IGNORED = (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0)

EVENTS_HEAD = STREAM_HEAD.replace(b"application/x-ndjson", b"text/event-stream")
DELTA = b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n'
STOP = b"data: [DONE]\n\n"


class Settlements:
    """The outcomes that a breaker recorded, call by call."""

    def __init__(self, breaker: CircuitBreaker) -> None:
        self.reasons: list[str] = []
        self.retry_after: list[float | None] = []
        self.unsent = 0
        self.first_items = 0
        breaker.on_call(self._record)

    def _record(self, _: CircuitBreaker, call: Call) -> None:
        self.first_items += call.first_item is not None
        self.unsent += not call.ruling.sent
        if call.ruling.verdict is Verdict.FAILURE:
            self.reasons.append(call.ruling.reason)
            self.retry_after.append(call.ruling.retry_after)


@pytest.fixture
def settlements(breaker: CircuitBreaker) -> Settlements:
    return Settlements(breaker)


@pytest.fixture
def breaker() -> CircuitBreaker:
    return CircuitBreaker("wire", trip=ConsecutiveFailures(9))


def verdicts(breaker: CircuitBreaker) -> tuple[int, int, int, int]:
    seen = breaker.snapshot()
    return seen.calls.success, seen.calls.failure, seen.calls.ignored, seen.in_flight


class Caller:
    """A client of either library and kind with guarded calls, used from a test's event loop."""

    library: Any
    guard: Any
    client: Any
    inner: Any
    other_inner: Any

    async def send(
        self, url: str, method: str = "POST", *, prompt: str = "", **timeouts: float
    ) -> Any:
        """Return a complete response."""
        raise NotImplementedError

    async def read_some(self, url: str, chunks: int) -> Any:
        """Read some chunks of a response and close it."""
        raise NotImplementedError

    async def open_response(self, url: str) -> Any:
        """Return a response of which only the head is read."""
        raise NotImplementedError

    async def close_response(self, response: Any) -> None:
        """Close a response."""
        raise NotImplementedError

    async def close(self) -> None:
        """Close the client."""
        raise NotImplementedError

    def _timeout(self, timeouts: dict[str, float]) -> Any:
        return self.library.Timeout(10, **timeouts)


class AsyncCaller(Caller):
    library: Any = httpx
    guard: Any = BreakerTransport
    inner: Any = httpx.AsyncHTTPTransport
    other_inner: Any = httpx.HTTPTransport

    def __init__(self, *settings: Any, **more: Any) -> None:
        self.client = self.library.AsyncClient(transport=self.guard(*settings, **more))

    async def send(
        self, url: str, method: str = "POST", *, prompt: str = "", **timeouts: float
    ) -> Any:
        body = {"prompt": prompt} if prompt else None
        timeout = self._timeout(timeouts)
        return await self.client.request(method, url, timeout=timeout, json=body)

    async def read_some(self, url: str, chunks: int) -> Any:
        async with self.client.stream("POST", url) as response:
            body = response.aiter_bytes()
            for _ in range(chunks):
                await anext(body)
        return response

    async def open_response(self, url: str) -> Any:
        request = self.client.build_request("POST", url)
        return await self.client.send(request, stream=True)

    async def close_response(self, response: Any) -> None:
        await response.aclose()

    async def close(self) -> None:
        await self.client.aclose()


class SyncCaller(Caller):
    library: Any = httpx
    guard: Any = BreakerTransport
    inner: Any = httpx.HTTPTransport
    other_inner: Any = httpx.AsyncHTTPTransport

    def __init__(self, *settings: Any, **more: Any) -> None:
        self.client = self.library.Client(transport=self.guard(*settings, **more))

    async def send(
        self, url: str, method: str = "POST", *, prompt: str = "", **timeouts: float
    ) -> Any:
        body = {"prompt": prompt} if prompt else None
        timeout = self._timeout(timeouts)
        return await asyncio.to_thread(self.client.request, method, url, timeout=timeout, json=body)

    async def read_some(self, url: str, chunks: int) -> Any:
        def read() -> Any:
            with self.client.stream("POST", url) as response:
                body = response.iter_bytes()
                for _ in range(chunks):
                    next(body)
            return response

        return await asyncio.to_thread(read)

    async def open_response(self, url: str) -> Any:
        request = self.client.build_request("POST", url)
        return await asyncio.to_thread(self.client.send, request, stream=True)

    async def close_response(self, response: Any) -> None:
        await asyncio.to_thread(response.close)

    async def close(self) -> None:
        self.client.close()


class Httpx2AsyncCaller(AsyncCaller):
    library: Any = httpx2
    guard: Any = for_httpx2.BreakerTransport
    inner: Any = httpx2.AsyncHTTPTransport
    other_inner: Any = httpx2.HTTPTransport


class Httpx2SyncCaller(SyncCaller):
    library: Any = httpx2
    guard: Any = for_httpx2.BreakerTransport
    inner: Any = httpx2.HTTPTransport
    other_inner: Any = httpx2.AsyncHTTPTransport


Kind = type[AsyncCaller] | type[SyncCaller]
KINDS: dict[str, Any] = {
    "async": AsyncCaller,
    "sync": SyncCaller,
    "httpx2 async": Httpx2AsyncCaller,
    "httpx2 sync": Httpx2SyncCaller,
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]  # type: ignore[no-any-return]


@pytest.fixture(params=["async", "httpx2 async"])
def async_kind(request: pytest.FixtureRequest) -> type[AsyncCaller]:
    return KINDS[request.param]  # type: ignore[no-any-return]


@pytest.fixture(params=["sync", "httpx2 sync"])
def sync_kind(request: pytest.FixtureRequest) -> type[SyncCaller]:
    return KINDS[request.param]  # type: ignore[no-any-return]


@asynccontextmanager
async def calling(kind: Kind, *settings: Any, **more: Any) -> AsyncIterator[Caller]:
    caller = kind(*settings, **more)
    try:
        yield caller
    finally:
        await caller.close()


def first_then(first: ResponseHandler, *later: bytes) -> ResponseHandler:
    """Handle the first request with `first`, and every later one with `later`."""
    requests = 0

    async def respond(reader: Reader, writer: Writer) -> None:
        nonlocal requests
        requests += 1
        await (first if requests == 1 else writes(*later))(reader, writer)

    return respond


def hangs_after(*parts: bytes) -> ResponseHandler:
    async def respond(reader: Reader, writer: Writer) -> None:
        await writes(*parts)(reader, writer)
        await reader.read()  # until the client leaves

    return respond


def closing(head: bytes) -> bytes:
    return head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)


# Every way to fail

Mode = tuple[str, ResponseHandler, tuple[int, int, int, int], str]

BEFORE_THE_BODY: list[Mode] = [
    ("reset before headers", writes_then(reset), FAILURE, "connection reset"),
    ("close before headers", writes(), FAILURE, "closed without an answer"),
    ("no headers", hangs_after(), FAILURE, "timed out"),
    ("half the headers", hangs_after(STREAM_HEAD[:30]), FAILURE, "timed out"),
    ("not HTTP", writes(b"SSH-2.0-OpenSSH\r\n\r\n"), FAILURE, "answer is not HTTP"),
    (
        "runner crash",
        writes(plain(500, b'{"error":"llama runner process has terminated"}')),
        FAILURE,
        "HTTP 500: llama runner process has terminated",
    ),
    ("out of memory", writes(plain(500, b"CUDA error: out of memory")), FAILURE,
     "HTTP 500: CUDA error: out of memory"),
    ("queue full", writes(plain(503, b'{"error":"server busy"}')), FAILURE,
     "HTTP 503: server busy"),
    ("limit", writes(plain(429, b'{"error":{"message":"slow down"}}')), FAILURE,
     "HTTP 429: slow down"),
    ("error breaks off", writes(plain(503, b"busy")[:-2]), FAILURE, "HTTP 503: bu"),
]  # fmt: skip

CALLERS_FAULTS: dict[str, ResponseHandler] = {
    "unknown model": writes(plain(404, b'{"error":"model not found"}')),
    "bad request": writes(plain(400, b'{"error":"missing request body"}')),
}


def callers_faults(verdict: tuple[int, int, int, int]) -> list[Mode]:
    return [(name, respond, verdict, "") for name, respond in CALLERS_FAULTS.items()]


def streamed(head: bytes, item: bytes, last: bytes, unended: str) -> list[Mode]:
    bad = item.replace(b'"choices"', b'"error":{"message":"oom"},"choices"').replace(
        b'"done":false', b'"done":true,"error":"oom"'
    )
    return [
        ("error in the stream", writes(head, http_chunk(item), http_chunk(bad), END), FAILURE,
         "error in the answer: oom"),
        ("error, then reset", writes_then(reset, head, http_chunk(bad)), FAILURE,
         "error in the answer: oom"),
        ("clean end, not done", writes(head, http_chunk(item), END), FAILURE, unended),
        ("empty stream", writes(head, END), FAILURE, "empty answer"),
        ("broken framing", writes(head, http_chunk(item), b"zz\r\n"), FAILURE,
         "answer is not HTTP"),
        ("breaks off", writes(head, http_chunk(item)), FAILURE, "answer broke off"),
        ("reset", writes_then(reset, head, http_chunk(item)), FAILURE, "connection reset"),
        ("hang", hangs_after(head, http_chunk(item)), FAILURE, "timed out"),
        ("garbage", writes(head, http_chunk(item), http_chunk(b"data: \x00\xff\n\n"), END), FAILURE,
         "answer is not JSON"),
        ("half an item", writes(head, http_chunk(item), http_chunk(item[:20]), END), FAILURE,
         "answer is not JSON"),
        ("done, then reset", writes_then(reset, head, http_chunk(item + last)), SUCCESS, ""),
    ]  # fmt: skip


MODES: dict[str, tuple[Callable[[Request], Judge], str, bytes, list[Mode]]] = {
    "ollama": (
        ollama_judge,
        "/api/generate",
        closing(STREAM_HEAD) + http_chunk(TOKEN) + http_chunk(DONE) + END,
        streamed(STREAM_HEAD, TOKEN, DONE, "stream ended without done"),
    ),
    "openai": (
        openai_judge,
        "/v1/chat/completions",
        closing(EVENTS_HEAD) + http_chunk(DELTA) + http_chunk(STOP) + END,
        streamed(EVENTS_HEAD, DELTA, STOP, "stream ended without [DONE]"),
    ),
    "ollama, not streamed": (
        ollama_judge,
        "/api/chat",
        closing(plain(200, DONE.strip())),
        [
            ("half a body", writes(plain(200, DONE)[:-9]), FAILURE, "answer broke off"),
            ("empty", writes(plain(200, b"")), FAILURE, "empty answer"),
            ("half JSON", writes(plain(200, DONE[:-9])), FAILURE, "answer is not JSON"),
            ("error", writes(plain(200, b'{"error":"oom"}')), FAILURE, "error in the answer: oom"),
            ("not done", writes(plain(200, TOKEN)), FAILURE, "stream ended without done"),
        ],
    ),
    "openai, not streamed": (
        openai_judge,
        "/v1/chat/completions",
        closing(plain(200, b'{\n "choices": [{"message": {"content": "hi"}}]\n}')),
        [
            ("half a body", writes(plain(200, b'{"id":1}')[:-3]), FAILURE, "answer broke off"),
            ("empty", writes(plain(200, b"")), FAILURE, "empty answer"),
            ("half JSON", writes(plain(200, b'{"id":')), FAILURE, "answer is not JSON"),
            ("error", writes(plain(200, b'{"error":{"message":"oom"}}')), FAILURE,
             "error in the answer: oom"),
        ],
    ),
    "http": (
        http_judge,
        "/",
        closing(plain(200, b"fine")),
        [
            ("half a body", writes(plain(200, b"fine")[:-2]), FAILURE, "answer broke off"),
            ("reset", writes_then(reset, plain(200, b"fine")[:-2]), FAILURE, "connection reset"),
            ("hang", hangs_after(plain(200, b"fine")[:-2]), FAILURE, "timed out"),
            ("redirect", writes(plain(302, b"", b"Location: /x")), SUCCESS, ""),
            ("half a gzip body", writes(plain(200, gzip.compress(b"fine")[:-9],
             b"Content-Encoding: gzip")), FAILURE, "answer cannot be decoded"),
        ],
    ),
}  # fmt: skip

CASES = [
    pytest.param(judge, path, good, *mode[1:], id=f"{name}: {mode[0]}")
    for name, (judge, path, good, modes) in MODES.items()
    # They say nothing about a model, and show that a service lives.
    for mode in [*BEFORE_THE_BODY, *callers_faults(SUCCESS if name == "http" else IGNORED), *modes]
]


@pytest.mark.parametrize(("judge", "path", "good", "respond", "verdict", "reason"), CASES)
async def test_every_failure_is_judged_right(
    kind: Kind,
    judge: Callable[[Request], Judge],
    path: str,
    good: bytes,
    respond: ResponseHandler,
    verdict: tuple[int, int, int, int],
    reason: str,
    breaker: CircuitBreaker,
    settlements: Settlements,
) -> None:
    deadlines: Any = {"read": 0.02} if reason == "timed out" else {}
    async with (
        raw_server(first_then(respond, good)) as url,
        calling(kind, breaker, judge=judge) as caller,
    ):
        with suppress(kind.library.TransportError):
            await caller.send(url + path, **deadlines)
        assert verdicts(breaker) == verdict
        assert settlements.reasons == ([reason] if reason else [])
        response = await caller.send(url + path)
        assert response.status_code == 200, "the next call on the same client must succeed"
    success, *others = verdict
    assert verdicts(breaker) == (success + 1, *others)


# Deadlines and the content of objects are checked by the client alone; it also accepts no coding.
CHECKED_BY_CLIENT = {
    "no headers",
    "hang in mid-stream",
    "another shape",
    "packed without being asked to",
}
SHARED_MODES = [mode for mode in OLLAMA_MODES if mode[0] not in CHECKED_BY_CLIENT]


@pytest.mark.parametrize(
    ("respond", "verdict", "reason"),
    [mode[1:] for mode in SHARED_MODES],
    ids=[mode[0] for mode in SHARED_MODES],
)
async def test_reasons_are_those_of_the_ollama_client(
    kind: Kind,
    respond: ResponseHandler,
    verdict: tuple[int, int, int, int],
    reason: str,
    breaker: CircuitBreaker,
    settlements: Settlements,
) -> None:
    async with (
        raw_server(first_then(respond, b"")) as url,
        calling(kind, breaker, judge=ollama_judge) as caller,
    ):
        with suppress(kind.library.HTTPError):
            await caller.send(f"{url}/api/generate", prompt="hello")
    assert verdicts(breaker) == verdict
    assert settlements.reasons == ([reason] if verdict == FAILURE else [])


UNTRUSTED = Path(__file__).with_name("untrusted.pem")


async def close_at_once(_: Reader, writer: Writer) -> None:
    writer.close()


async def test_an_untrusted_certificate(
    kind: Kind, breaker: CircuitBreaker, settlements: Settlements
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(UNTRUSTED)
    server = await asyncio.start_server(close_at_once, "127.0.0.1", 0, ssl=tls)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, calling(kind, breaker) as caller:
        with pytest.raises(kind.library.ConnectError):
            await caller.send(url)
    assert settlements.reasons == ["certificate not trusted"]


async def test_a_server_without_tls(
    kind: Kind, breaker: CircuitBreaker, settlements: Settlements
) -> None:
    async def respond_in_plain_http(_: Reader, writer: Writer) -> None:
        writer.write(plain(400, b""))
        writer.close()

    server = await asyncio.start_server(respond_in_plain_http, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, calling(kind, breaker) as caller:
        with pytest.raises(kind.library.ConnectError):
            await caller.send(url)
    assert settlements.reasons == ["TLS handshake failed"]


async def test_a_proxy_that_does_not_connect(
    kind: Kind, breaker: CircuitBreaker, settlements: Settlements
) -> None:
    async with (
        raw_server(writes(plain(407, b""))) as proxy,
        calling(kind, breaker, kind.inner(proxy=kind.library.Proxy(proxy))) as caller,
    ):
        with pytest.raises(kind.library.ProxyError):
            await caller.send("https://model.invalid")
    assert settlements.reasons == ["the proxy did not connect"]


@pytest.mark.parametrize(
    ("error", "verdict", "reason", "sent"),
    [
        (httpx.ReadError("x"), Verdict.FAILURE, "connection reset", True),
        (httpx.WriteError("x"), Verdict.FAILURE, "connection reset while sending", True),
        (httpx.CloseError("x"), Verdict.FAILURE, "connection reset", True),
        (httpx.ReadTimeout("x"), Verdict.FAILURE, "timed out", True),
        (httpx.WriteTimeout("x"), Verdict.FAILURE, "sending timed out", True),
        (httpx.ConnectTimeout("x"), Verdict.FAILURE, "connect timed out", True),
        (httpx.PoolTimeout("x"), Verdict.IGNORED, "no free connection in the pool", False),
        (httpx.ConnectError("x"), Verdict.FAILURE, "connect failed", True),
        (httpx.ProxyError("x"), Verdict.FAILURE, "the proxy did not connect", True),
        (httpx.UnsupportedProtocol("x"), Verdict.IGNORED, "request cannot be sent", False),
        (httpx.LocalProtocolError("x"), Verdict.IGNORED, "request cannot be sent", False),
        (httpx.RemoteProtocolError("x"), Verdict.FAILURE, "answer is not HTTP", True),
        (httpx.DecodingError("x"), Verdict.FAILURE, "answer cannot be decoded", True),
        (httpx.TooManyRedirects("x"), Verdict.FAILURE, "too many redirects", True),
        (
            httpx.RemoteProtocolError("<StreamReset stream_id:1, error_code:2, remote_reset:True>"),
            Verdict.FAILURE,
            "HTTP/2 stream reset: INTERNAL_ERROR",
            True,
        ),
        (
            httpx.RemoteProtocolError(
                "<StreamReset stream_id:5, error_code:ErrorCodes.CANCEL, remote_reset:True>"
            ),
            Verdict.FAILURE,
            "HTTP/2 stream reset: CANCEL",
            True,
        ),
        (
            httpx.RemoteProtocolError(
                "<ConnectionTerminated error_code:0, last_stream_id:7, additional_data:None>"
            ),
            Verdict.FAILURE,
            "HTTP/2 GOAWAY: NO_ERROR",
            True,
        ),
        (
            httpx.RemoteProtocolError(
                "<ConnectionTerminated error_code:4711, last_stream_id:7, additional_data:616263>"
            ),
            Verdict.FAILURE,
            "HTTP/2 GOAWAY: error 4711",
            True,
        ),
        (
            httpx.RemoteProtocolError("Server disconnected"),
            Verdict.FAILURE,
            "connection closed",
            True,
        ),
        (
            httpx.RemoteProtocolError("Receive buffer too long"),
            Verdict.FAILURE,
            "answer is too long",
            True,
        ),
        (
            httpx.LocalProtocolError(
                "Invalid input ConnectionInputs.RECV_HEADERS in state ConnectionState.CLOSED"
            ),
            Verdict.FAILURE,
            "broken HTTP/2",
            True,
        ),
        (
            httpx.LocalProtocolError("InvalidBodyLengthError: Expected 5 bytes, received 9"),
            Verdict.FAILURE,
            "broken HTTP/2",
            True,
        ),
        (RuntimeError("x"), Verdict.FAILURE, "RuntimeError", True),
        (KeyboardInterrupt(), Verdict.IGNORED, "stopped by the caller", True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_every_error_has_a_reason(
    error: BaseException, verdict: Verdict, reason: str, sent: bool
) -> None:
    assert judge_error(error) == Ruling(verdict, reason, sent=sent)


def test_what_the_http2_package_raises_itself_is_named() -> None:
    error = type("InvalidBodyLengthError", (Exception,), {"__module__": "h2.exceptions"})()
    assert judge_error(error) == Ruling(Verdict.FAILURE, "broken HTTP/2")


ERRORS = [
    name
    for name, value in vars(httpx).items()
    if isinstance(value, type) and issubclass(value, httpx.RequestError)
]


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_of_httpx2_has_the_reason_of_its_counterpart(name: str) -> None:
    class Derived(getattr(httpx2, name)):  # type: ignore[misc]
        """What a transport of somebody else may raise."""

    ruling = judge_error(getattr(httpx, name)("x"))
    assert judge_error(getattr(httpx2, name)("x")) == ruling
    assert judge_error(Derived("x")) == (
        ruling if ruling.reason != name else Ruling(Verdict.FAILURE, "Derived")
    )


def test_an_error_of_no_library_is_not_taken_for_one() -> None:
    class PoolTimeout(Exception):  # noqa: N818
        """An error with the name of one of httpx's."""

    assert judge_error(PoolTimeout()) == Ruling(Verdict.FAILURE, "PoolTimeout")


async def test_a_refused_connection(
    kind: Kind, breaker: CircuitBreaker, settlements: Settlements
) -> None:
    with bind("127.0.0.1", 0) as listener:
        url = url_of(listener)
    async with calling(kind, breaker) as caller:
        with pytest.raises(kind.library.ConnectError):
            await caller.send(url)
    assert verdicts(breaker) == FAILURE
    assert settlements.reasons == ["connect refused"]


async def test_a_host_that_does_not_exist(
    kind: Kind, breaker: CircuitBreaker, settlements: Settlements
) -> None:
    async with calling(kind, breaker) as caller:
        with pytest.raises(kind.library.ConnectError):
            await caller.send("http://nobody.invalid/")
    assert verdicts(breaker) == FAILURE
    assert settlements.reasons == ["host name not found"]


async def test_a_connection_that_is_never_accepted(
    kind: Kind, breaker: CircuitBreaker, settlements: Settlements
) -> None:
    with ExitStack() as sockets:
        listener = sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):  # a full accept queue drops further connections
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        async with calling(kind, breaker) as caller:
            with pytest.raises(kind.library.ConnectTimeout):
                await caller.send(url_of(listener), connect=0.02)
    assert verdicts(breaker) == FAILURE
    assert settlements.reasons == ["connect timed out"]


@pytest.mark.parametrize("url", ["ftp://here/", "here"])
async def test_a_request_that_cannot_be_sent(
    kind: Kind, breaker: CircuitBreaker, settlements: Settlements, url: str
) -> None:
    async with calling(kind, breaker) as caller:
        with pytest.raises(kind.library.UnsupportedProtocol):
            await caller.send(url)
    assert verdicts(breaker) == IGNORED
    assert settlements.unsent == 1


async def test_a_full_pool_is_not_the_servers_fault(
    kind: Kind, breaker: CircuitBreaker, settlements: Settlements
) -> None:
    inner = kind.inner(limits=kind.library.Limits(max_connections=1))
    async with (
        raw_server(hangs_after(STREAM_HEAD, http_chunk(TOKEN))) as url,
        calling(kind, breaker, inner) as caller,
    ):
        held = await caller.open_response(url)
        with pytest.raises(kind.library.PoolTimeout):
            await caller.send(url, pool=0.02)
        assert verdicts(breaker) == (0, 0, 1, 1)
        assert settlements.unsent == 1
        await caller.close_response(held)
    assert verdicts(breaker) == (0, 0, 2, 0)
    assert settlements.unsent == 1


# Good responses


async def test_good_responses_pass_unchanged(
    kind: Kind, breaker: CircuitBreaker, settlements: Settlements
) -> None:
    async with raw_server(writes(plain(200, b"fine", b"X-Said: yes"))) as url:
        async with calling(kind, breaker) as caller:
            response = await caller.send(url)
        assert (response.text, response.headers["X-Said"]) == ("fine", "yes")
        assert response.http_version == "HTTP/1.1"
        assert response.reason_phrase == "Said"
        assert response.elapsed.total_seconds() > 0
    assert verdicts(breaker) == SUCCESS
    assert settlements.first_items == 1


@pytest.mark.parametrize(
    ("method", "raw_response"),
    [
        ("HEAD", plain(200, b"")[:-2] + b"Content-Encoding: gzip\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 Nothing\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Known\r\nContent-Encoding: gzip\r\n\r\n"),
        ("GET", plain(200, b"", b"Content-Encoding: gzip")),
    ],
    ids=["HEAD", "204", "304", "nothing in it"],
)
async def test_responses_without_a_body(
    kind: Kind, breaker: CircuitBreaker, settlements: Settlements, method: str, raw_response: bytes
) -> None:
    async with raw_server(writes(raw_response)) as url, calling(kind, breaker) as caller:
        response = await caller.send(url, method)
    assert response.content == b""
    assert verdicts(breaker) == SUCCESS
    assert settlements.first_items == 0


async def test_every_request_of_a_redirect_is_a_call(kind: Kind, breaker: CircuitBreaker) -> None:
    hop = closing(plain(302, b"", b"Location: /there"))
    async with (
        raw_server(first_then(writes(hop), plain(200, b"there"))) as url,
        calling(kind, breaker) as caller,
    ):
        caller.client.follow_redirects = True
        assert (await caller.send(url)).text == "there"
    assert verdicts(breaker) == (2, 0, 0, 0)


@pytest.mark.parametrize("judge", [None, ollama_judge])
async def test_a_request_can_go_unguarded_and_is_judged_all_the_same(
    kind: Kind, breaker: CircuitBreaker, judge: Callable[[Request], Judge] | None
) -> None:
    guards = {"/guarded": breaker}
    async with (
        raw_server(writes(closing(plain(200, b"fine")))) as url,
        calling(
            kind, lambda request: guards.get(request.url.path), judge=judge or ollama_judge
        ) as caller,
    ):
        request = kind.library.Request("GET", f"{url}/free")
        brought = request.extensions[JUDGE_EXTENSION] = HttpJudge(request)
        if isinstance(caller, AsyncCaller):
            await caller.client.send(request)
        elif isinstance(caller, SyncCaller):
            await asyncio.to_thread(caller.client.send, request)
        assert brought.content_started
        assert verdicts(breaker) == (0, 0, 0, 0)
        await caller.send(f"{url}/guarded")
    assert verdicts(breaker) == SUCCESS


# Compressed responses


@pytest.mark.parametrize("size", [1, 9, 1000])
@pytest.mark.parametrize(
    ("body", "verdict", "reason"),
    [
        (TOKEN + DONE, SUCCESS, None),
        (TOKEN, FAILURE, "stream ended without done"),
        (TOKEN + b'{"error":"oom"}\n', FAILURE, "error in the answer: oom"),
    ],
    ids=["good", "not done", "error"],
)
async def test_a_compressed_body_is_judged_by_its_content(
    kind: Kind,
    breaker: CircuitBreaker,
    settlements: Settlements,
    body: bytes,
    verdict: tuple[int, int, int, int],
    reason: str | None,
    size: int,
) -> None:
    head = STREAM_HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
    packed = gzip.compress(body)
    chunks = [http_chunk(packed[at : at + size]) for at in range(0, len(packed), size)]
    async with (
        raw_server(writes(head, *chunks, END)) as url,
        calling(kind, breaker, judge=ollama_judge) as caller,
    ):
        assert (await caller.send(f"{url}/api/generate")).content == body
    assert verdicts(breaker) == verdict
    assert settlements.reasons == ([reason] if reason else [])
    assert settlements.first_items == 1


@pytest.mark.parametrize(
    ("status", "reason"), [(200, "answer cannot be decoded"), (503, "HTTP 503")]
)
async def test_a_body_that_cannot_be_decoded_is_a_failure(
    kind: Kind, breaker: CircuitBreaker, settlements: Settlements, status: int, reason: str
) -> None:
    raw_response = plain(status, b"this is no gzip", b"Content-Encoding: gzip")
    async with raw_server(writes(raw_response)) as url, calling(kind, breaker) as caller:
        with pytest.raises(kind.library.DecodingError):
            await caller.send(url)
    assert verdicts(breaker) == FAILURE
    assert settlements.reasons == [reason]


async def test_an_unknown_coding_leaves_the_status_and_the_end(
    kind: Kind, breaker: CircuitBreaker, settlements: Settlements
) -> None:
    coded = b"Content-Encoding: secret"
    good, bad = (closing(plain(status, b"\x01\x02", coded)) for status in (200, 503))
    async with (
        raw_server(first_then(writes(good), bad)) as url,
        calling(kind, breaker, judge=ollama_judge) as caller,
    ):
        await caller.send(f"{url}/api/generate")
        assert verdicts(breaker) == SUCCESS
        await caller.send(f"{url}/api/generate")
    assert verdicts(breaker) == (1, 1, 0, 0)
    assert settlements.reasons == ["HTTP 503"]


# Readers that stop


@pytest.mark.parametrize(
    ("parts", "chunks", "verdict"),
    [
        ([http_chunk(TOKEN)], 1, SUCCESS),
        ([http_chunk(TOKEN)], 0, IGNORED),
        ([http_chunk(TOKEN[:9])], 1, IGNORED),
        ([http_chunk(TOKEN + DONE)], 1, SUCCESS),
        ([http_chunk(TOKEN + b'{"error":"oom"}\n')], 1, FAILURE),
    ],
    ids=["after a token", "before any", "within a token", "after the last", "after an error"],
)
async def test_a_reader_may_stop_early(
    kind: Kind,
    breaker: CircuitBreaker,
    parts: Sequence[bytes],
    chunks: int,
    verdict: tuple[int, int, int, int],
) -> None:
    good = MODES["ollama"][2]
    async with (
        raw_server(first_then(hangs_after(STREAM_HEAD, *parts), good)) as url,
        calling(kind, breaker, judge=ollama_judge) as caller,
    ):
        await caller.read_some(f"{url}/api/generate", chunks)
        assert verdicts(breaker) == verdict
        await caller.send(f"{url}/api/generate")
    assert verdicts(breaker)[3] == 0


@pytest.mark.parametrize("last", [b'{"error":"oom"}\n', b"\x00\n"], ids=["error", "garbage"])
async def test_a_response_that_is_left_open_after_an_error_in_it_is_settled(
    kind: Kind, breaker: CircuitBreaker, last: bytes
) -> None:
    respond = hangs_after(STREAM_HEAD, http_chunk(TOKEN + last))
    async with (
        raw_server(respond) as url,
        calling(kind, breaker, judge=ollama_judge) as caller,
    ):
        held = await caller.open_response(f"{url}/api/generate")
        assert verdicts(breaker) == (0, 0, 0, 1)
        if isinstance(caller, AsyncCaller):
            body = held.aiter_bytes()
            await anext(body)
        else:
            body = held.iter_bytes()
            await asyncio.to_thread(next, body)
        assert verdicts(breaker) == FAILURE
        await caller.close_response(held)
    assert verdicts(breaker) == FAILURE


async def test_the_status_of_an_unread_response_counts(
    kind: Kind, breaker: CircuitBreaker, settlements: Settlements
) -> None:
    raw_response = plain(503, b"busy", b"Retry-After: 7")
    async with raw_server(writes(raw_response)) as url, calling(kind, breaker) as caller:
        await caller.read_some(url, 0)
    assert verdicts(breaker) == FAILURE
    assert settlements.retry_after == [7.0]


async def test_a_response_is_settled_once(kind: Kind, breaker: CircuitBreaker) -> None:
    async with raw_server(writes(plain(200, b"fine"))) as url, calling(kind, breaker) as caller:
        held = await caller.open_response(url)
        assert breaker.snapshot().in_flight == 1
        if isinstance(caller, AsyncCaller):
            assert await held.aread() == b"fine"
            with pytest.raises(kind.library.StreamConsumed):
                await anext(held.aiter_raw())
        else:
            assert await asyncio.to_thread(held.read) == b"fine"
            with pytest.raises(kind.library.StreamConsumed):
                next(held.iter_raw())
        await caller.close_response(held)
        await caller.close_response(held)
    assert verdicts(breaker) == SUCCESS


def test_reading_a_body_twice_changes_nothing(
    sync_kind: type[SyncCaller], breaker: CircuitBreaker
) -> None:
    library = sync_kind.library
    inner = library.MockTransport(lambda _: library.Response(200, content=b"fine"))
    response = sync_kind.guard(breaker, inner).handle_request(library.Request("GET", "http://x"))
    assert isinstance(response.stream, library.SyncByteStream)
    assert b"".join(response.stream) == b"".join(response.stream) == b"fine"
    assert verdicts(breaker) == SUCCESS


def test_a_dropped_reader_stops_its_response(
    sync_kind: type[SyncCaller], breaker: CircuitBreaker
) -> None:
    library = sync_kind.library
    inner = library.MockTransport(lambda _: library.Response(200, content=iter([b"a", b"b"])))
    response = sync_kind.guard(breaker, inner).handle_request(library.Request("GET", "http://x"))
    assert isinstance(response.stream, library.SyncByteStream)
    body = iter(response.stream)
    assert next(body) == b"a"
    del body
    assert verdicts(breaker) == SUCCESS


@pytest.mark.parametrize("parts", [(), (STREAM_HEAD, http_chunk(TOKEN))], ids=["head", "body"])
async def test_cancelling_is_no_verdict(
    async_kind: type[AsyncCaller], breaker: CircuitBreaker, parts: tuple[bytes, ...]
) -> None:
    waiting = asyncio.Event()

    async def hang(reader: Reader, writer: Writer) -> None:
        await writes(*parts)(reader, writer)
        if not parts:
            waiting.set()
        await reader.read()

    async def read(caller: AsyncCaller, url: str) -> None:
        async with caller.client.stream("POST", f"{url}/api/generate") as response:
            async for _ in response.aiter_bytes():
                waiting.set()

    good = MODES["ollama"][2]
    async with (
        raw_server(first_then(hang, good)) as url,
        calling(async_kind, breaker, judge=ollama_judge) as caller,
    ):
        assert isinstance(caller, AsyncCaller)
        call = asyncio.create_task(read(caller, url))
        await waiting.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert verdicts(breaker) == IGNORED
        await caller.send(f"{url}/api/generate")
    assert verdicts(breaker) == (1, 0, 1, 0)


def interrupted(*chunks: bytes) -> Iterator[bytes]:
    """Yield a body that is interrupted by Ctrl-C after some chunks."""
    yield from chunks
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("chunks", "verdict"),
    [((), IGNORED), ((TOKEN,), IGNORED), ((TOKEN, DONE), SUCCESS)],
    ids=["at once", "in the middle", "after the last"],
)
def test_an_interrupt_is_no_verdict(
    sync_kind: type[SyncCaller],
    breaker: CircuitBreaker,
    chunks: tuple[bytes, ...],
    verdict: tuple[int, int, int, int],
) -> None:
    library = sync_kind.library
    inner = library.MockTransport(lambda _: library.Response(200, content=interrupted(*chunks)))
    transport = sync_kind.guard(breaker, inner, judge=ollama_judge)
    with library.Client(transport=transport) as client, pytest.raises(KeyboardInterrupt):
        client.post("http://x/api/generate")
    assert verdicts(breaker) == verdict


# Rejections


async def test_an_open_breaker_sends_nothing(kind: Kind, breaker: CircuitBreaker) -> None:
    requests = 0

    async def count(reader: Reader, writer: Writer) -> None:
        nonlocal requests
        requests += 1

    breaker.trip()
    async with raw_server(count) as url, calling(kind, breaker) as caller:
        with pytest.raises(kind.guard.rejection) as caught:
            await caller.send(f"{url}/path")
    rejection = caught.value
    assert isinstance(rejection, CircuitOpenError)
    assert isinstance(rejection, kind.library.TransportError)
    assert not isinstance(rejection, kind.library.NetworkError)
    assert rejection.state is State.OPEN
    assert rejection.retry_after is not None
    assert rejection.request.url.path == "/path"
    assert requests == 0
    assert breaker.snapshot().calls.rejected == 1


async def test_failures_trip_it_and_a_good_probe_closes_it(kind: Kind) -> None:
    now = 0.0
    breaker = CircuitBreaker("wire", trip=ConsecutiveFailures(3), clock=lambda: now)
    switches = FaultSwitches()
    async with (
        simulated() as upstream,
        proxied(upstream, switches) as url,
        calling(kind, breaker, judge=ollama_judge) as caller,
    ):
        assert (await caller.send(f"{url}/api/tags", "GET")).is_success
        switches.switch("busy503", active=True)
        for _ in range(3):
            assert (await caller.send(f"{url}/api/tags", "GET")).status_code == 503
        with pytest.raises(kind.guard.rejection):
            await caller.send(f"{url}/api/tags", "GET")
        switches.clear()
        now = 30.0
        assert (await caller.send(f"{url}/api/tags", "GET")).is_success
    assert breaker.state is State.CLOSED


# Bodies that cannot be read


@pytest.mark.parametrize(("status", "verdict"), [(200, SUCCESS), (404, IGNORED), (503, FAILURE)])
async def test_an_unknown_coding_leaves_the_status_to_the_judge_of_a_model(
    kind: Kind, breaker: CircuitBreaker, status: int, verdict: tuple[int, int, int, int]
) -> None:
    raw_response = plain(status, b"?", b"Content-Encoding: rot13")
    async with (
        raw_server(writes(raw_response)) as url,
        calling(kind, breaker, judge=openai_judge) as caller,
    ):
        await caller.send(f"{url}/v1/chat/completions")
    assert verdicts(breaker) == verdict


FINISHED = DELTA.replace(b'"}}]', b'"},"finish_reason":"stop"}]')
LATE_ERROR = b'data: {"error":{"message":"oom"}}\n\n'


@pytest.mark.parametrize(
    ("chunks", "verdict", "reason"),
    [
        ((DELTA, FINISHED), SUCCESS, []),
        ((DELTA,), FAILURE, ["connection reset"]),
        ((DELTA, FINISHED, LATE_ERROR), FAILURE, ["error in the answer: oom"]),
    ],
    ids=["finished", "unfinished", "an error after it"],
)
async def test_a_reset_after_the_last_choice_is_finished_is_no_failure(
    kind: Kind,
    breaker: CircuitBreaker,
    settlements: Settlements,
    chunks: tuple[bytes, ...],
    verdict: tuple[int, int, int, int],
    reason: list[str],
) -> None:
    respond = writes_then(reset, EVENTS_HEAD, *map(http_chunk, chunks))
    async with (
        raw_server(respond) as url,
        calling(kind, breaker, judge=openai_judge) as caller,
    ):
        with pytest.raises(kind.library.ReadError):
            await caller.send(f"{url}/v1/chat/completions")
    assert verdicts(breaker) == verdict
    assert settlements.reasons == reason


# Inner transports


async def test_an_inner_transport_of_the_other_kind_is_refused(
    kind: Kind, breaker: CircuitBreaker
) -> None:
    inner = kind.other_inner()
    async with calling(kind, breaker, inner) as caller:
        with pytest.raises(TypeError, match=r"works in an httpx2?\.(Async)?Client only"):
            await caller.send("http://x")
    assert verdicts(breaker) == (0, 0, 0, 0)


def test_an_inner_object_that_is_no_transport_is_refused(
    kind: Kind, breaker: CircuitBreaker
) -> None:
    with pytest.raises(TypeError, match=f"not an {kind.library.__name__} transport: 'http"):
        kind.guard(breaker, "http://x")


OTHER_LIBRARY: dict[Any, tuple[Any, str]] = {
    httpx: (httpx2, "for httpx2, import BreakerTransport from fuseboard.http.httpx2$"),
    httpx2: (httpx, "for httpx, import BreakerTransport from fuseboard.http$"),
}


async def test_an_inner_transport_of_the_other_library_is_refused(
    kind: Kind, breaker: CircuitBreaker
) -> None:
    other, advice = OTHER_LIBRARY[kind.library]
    for inner in (other.HTTPTransport(), other.AsyncHTTPTransport()):
        with pytest.raises(TypeError, match=advice):
            kind.guard(breaker, inner)


async def test_a_client_of_the_other_library_is_told_which_transport_it_needs(
    kind: Kind, breaker: CircuitBreaker
) -> None:
    class Mistaken(kind):  # type: ignore[misc, valid-type]
        library, advice = OTHER_LIBRARY[kind.library]

    async with calling(Mistaken, breaker) as caller:
        with pytest.raises(TypeError, match=Mistaken.advice):
            await caller.send("http://x")
    assert verdicts(breaker) == (0, 0, 0, 0)


async def test_a_response_that_is_complete_from_the_start_is_settled(
    kind: Kind, breaker: CircuitBreaker
) -> None:
    inner = kind.library.MockTransport(lambda _: kind.library.Response(200, json={"id": 1}))
    async with calling(kind, breaker, inner) as caller:
        assert (await caller.send("http://x")).json() == {"id": 1}
    assert verdicts(breaker) == SUCCESS


async def test_one_transport_serves_both_kinds_of_client(
    sync_kind: type[SyncCaller], breaker: CircuitBreaker
) -> None:
    library, transport = sync_kind.library, sync_kind.guard(breaker)
    async with raw_server(writes(closing(plain(200, b"fine")))) as url:
        async with library.AsyncClient(transport=transport) as client:
            assert (await client.get(url)).text == "fine"
        with library.Client(transport=transport) as sync_client:
            assert (await asyncio.to_thread(sync_client.get, url)).text == "fine"
    assert verdicts(breaker) == (2, 0, 0, 0)


async def test_threads_share_one_pool(
    sync_kind: type[SyncCaller], breaker: CircuitBreaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = sync_kind.library
    made: list[object] = []
    together = threading.Barrier(4)
    make = library.HTTPTransport

    def count() -> object:
        made.append(make())
        return made[-1]

    monkeypatch.setattr(library, "HTTPTransport", count)
    async with simulated() as url:

        def send(client: Any) -> object:
            together.wait()
            return client.get(url).status_code

        with library.Client(transport=sync_kind.guard(breaker)) as client:
            statuses = await asyncio.gather(*(asyncio.to_thread(send, client) for _ in range(4)))
    assert statuses == [200] * 4
    assert len(made) == 1
    assert verdicts(breaker) == (4, 0, 0, 0)


# Judges that raise


class Faulty(HttpJudge):
    """A judge that raises in one of its methods."""

    def __init__(self, request: Request, where: str) -> None:
        super().__init__(request)
        self._where = where

    def _stumble(self, where: str) -> None:
        if where == self._where:
            raise LookupError(where)

    def begin(self, status: int, headers: Headers) -> None:
        self._stumble("begin")

    def feed(self, data: bytes) -> None:
        self._stumble("feed")

    def end(self) -> Ruling:
        self._stumble("end")
        return super().end()


@pytest.mark.parametrize("where", ["begin", "feed", "end"])
async def test_a_judge_that_raises_is_ignored_and_breaks_nothing(
    kind: Kind, breaker: CircuitBreaker, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        raw_server(writes(plain(200, b"fine"))) as url,
        calling(kind, breaker, judge=lambda request: Faulty(request, where)) as caller,
    ):
        assert (await caller.send(url)).text == "fine"
    assert verdicts(breaker) == IGNORED
    assert [record.levelno for record in caplog.records if record.name.startswith("fuseboard")] == [
        logging.ERROR
    ]
