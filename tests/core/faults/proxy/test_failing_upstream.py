"""A server behind the proxy that cannot be used: what clients, the log and the board are told."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from unittest.mock import Mock

import httpx
import pytest
from starlette.responses import PlainTextResponse

from fuseboard.faults.switches import FaultSwitches
from fuseboard.server.sockets import bind
from tests.core.http.test_transport import UNTRUSTED
from tests.core.ollama.test_client import plain, skip_ahead, writes
from tests.core.serving import closed_port, open_port, raw_server, send_raw, served, started_proxy

GET = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"


@asynccontextmanager
async def tls_server(certificate: Path) -> AsyncIterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listener = bind("127.0.0.1", 0)

    async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(close, sock=listener, ssl=context)
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.close()


async def test_a_certificate_that_is_not_trusted_is_told(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Mock(wraps=ssl.create_default_context)
    monkeypatch.setattr(ssl, "create_default_context", made)
    problem = "its certificate is not trusted: self-signed certificate"
    async with tls_server(UNTRUSTED) as upstream, started_proxy(upstream) as proxy:
        for _ in range(3):
            response = await send_raw(proxy.url, GET)
            assert response.startswith(b"HTTP/1.1 502")
            assert problem.encode() in response
        assert proxy.problem == problem
    assert made.call_count == 1, "one context serves all connections"
    told = [record for record in caplog.records if problem in record.getMessage()]
    assert len(told) == 1, "it is told once"
    assert told[0].levelno == logging.WARNING
    assert told[0].exc_info is None


async def test_a_host_that_does_not_exist_is_told() -> None:
    async with started_proxy("http://no.such.host.invalid:1") as proxy:
        response = await send_raw(proxy.url, GET)
        assert response.startswith(b"HTTP/1.1 502")
        assert proxy.problem == "there is no host called no.such.host.invalid"


async def test_a_server_without_tls_is_told() -> None:
    async with (
        served(PlainTextResponse("plain")) as upstream,
        started_proxy(upstream.replace("http:", "https:")) as proxy,
    ):
        assert (await send_raw(proxy.url, GET)).startswith(b"HTTP/1.1 502")
        assert proxy.problem.startswith("it does not speak TLS: ")


@pytest.mark.parametrize(
    "sent",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"a" * 200_000,
    ],
    ids=["ssh", "tls", "bad length", "long head"],
)
async def test_what_is_not_http_is_told(sent: bytes) -> None:
    async with (
        raw_server(writes(sent + b"\r\n" * 2)) as upstream,
        started_proxy(upstream) as proxy,
    ):
        response = await send_raw(proxy.url, GET)
        assert response.startswith(b"HTTP/1.1 502")
        assert b"it sends what is not HTTP" in response
        assert proxy.problem.startswith("it sends what is not HTTP")


async def test_a_server_that_does_not_accept_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    connecting = asyncio.Event()

    async def never(*_: object, **__: object) -> None:
        connecting.set()
        await asyncio.Event().wait()

    async with started_proxy("http://127.0.0.1:9") as proxy:
        host, _, port = proxy.url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", never)
        writer.write(GET)
        await connecting.wait()
        skip_ahead(10)
        assert (await reader.read()).startswith(b"HTTP/1.1 504")
        assert proxy.problem == "no connection within 10 s"
        writer.close()


async def test_our_own_lack_of_descriptors_is_told_as_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def lacking(*_: object, **__: object) -> None:
        raise OSError(24, "Too many open files")

    async with started_proxy("http://127.0.0.1:9") as proxy:
        host, _, port = proxy.url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", lacking)
        writer.write(GET)
        await reader.read()
        writer.close()
    assert proxy.problem == "this machine lacks what a connection takes: Too many open files"


async def test_a_refusal_is_told_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))  # a port is refused until its socket listens
        async with started_proxy(f"http://127.0.0.1:{listener.getsockname()[1]}") as proxy:
            await send_raw(proxy.url, GET)
            assert proxy.problem == "it refuses connections"
            await closed_port(proxy.url)
            listener.listen()
            await open_port(proxy.url)
            assert proxy.problem == ""
    said = [record.getMessage() for record in caplog.records if "behind" in record.getMessage()]
    assert said == [
        "the server behind the fault proxy fails: it refuses connections",
        "the server behind the fault proxy responds",
    ]


async def test_the_form_is_that_of_the_api() -> None:
    async with (
        started_proxy("http://no.such.host.invalid:1") as proxy,
        httpx.AsyncClient(base_url=proxy.url) as http,
    ):
        ollama = (await http.get("/api/tags")).json()
        openai = (await http.get("/v1/models")).json()
        anthropic = (await http.post("/v1/messages", json={})).json()
    said = "fault proxy: the server behind it fails: there is no host called no.such.host.invalid"
    assert ollama == {"error": said}
    assert openai["error"]["message"] == said
    assert anthropic["error"] == {"type": "api_error", "message": said}


async def test_a_response_to_nothing_is_not_the_response_to_the_next_request() -> None:
    """An upstream that responds twice: the second one must not be taken for the next response."""
    two = asyncio.Event()

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(plain(200, b"first"))
        await two.wait()
        writer.write(plain(200, b"evil"))
        await reader.read()

    async with (
        raw_server(respond) as upstream,
        started_proxy(upstream) as proxy,
        httpx.AsyncClient(base_url=proxy.url) as http,
    ):
        assert (await http.get("/")).text == "first"
        two.set()
        for _ in range(20):
            await asyncio.sleep(0)
        assert (await http.get("/")).text == "first"


async def test_a_connection_that_is_closed_when_it_is_used_again_is_replaced() -> None:
    """Each connection serves one request, and closes without a word at the second."""
    connections = 0

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.write(plain(200, b"%d" % connections))
        await reader.read(1)

    async with (
        raw_server(respond) as upstream,
        started_proxy(upstream) as proxy,
        httpx.AsyncClient(base_url=proxy.url) as http,
    ):
        answers = [(await http.post("/", json={})).text for _ in range(4)]
    assert answers == ["1", "2", "3", "4"]


async def test_a_new_connection_that_is_closed_is_not_replaced() -> None:
    requests = 0

    async def respond(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        nonlocal requests
        requests += 1

    async with raw_server(respond) as upstream, started_proxy(upstream) as proxy:
        assert await send_raw(proxy.url, GET) == b""
    assert requests == 1


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_response_behind_a_response_is_dropped(method: str) -> None:
    body = b"" if method == "HEAD" else b"first"
    both = plain(200, body).replace(b"length: 0", b"length: 5") + plain(200, b"evil")
    async with (
        raw_server(writes(both)) as upstream,
        started_proxy(upstream) as proxy,
        httpx.AsyncClient(base_url=proxy.url) as http,
    ):
        for _ in range(3):
            response = await http.request(method, "/")
            assert response.content == body


async def test_a_server_that_fails_does_not_close_the_port() -> None:
    async with started_proxy("http://no.such.host.invalid:1", FaultSwitches()) as proxy:
        for _ in range(3):
            assert (await send_raw(proxy.url, GET)).startswith(b"HTTP/1.1 502")


async def test_lengths_beside_chunks_go_no_further() -> None:
    """RFC 9112, section 6.1: of both, only `Transfer-Encoding` counts, in either direction."""
    seen: list[bytes] = []

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"5\r\nhello\r\n0\r\n\r\n"
        )
        await writer.drain()

    async def record(scope: object, receive: object, send: object) -> None:
        seen.extend(name for name, _ in scope["headers"])  # type: ignore[index]
        await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": b""})  # type: ignore[operator]

    async with raw_server(respond) as upstream, started_proxy(upstream) as proxy:
        response = await send_raw(
            proxy.url, GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        )
        assert b"content-length" not in response.lower()
        assert b"hello" in response
    async with served(record) as upstream, started_proxy(upstream) as proxy:
        request = (
            b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        )
        response = await send_raw(proxy.url, request)  # which ends: the connection is closed
        assert response.startswith(b"HTTP/1.1 200")
        assert b"transfer-encoding" in seen
        assert b"content-length" not in seen
