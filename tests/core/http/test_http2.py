"""What goes wrong over HTTP/2 is named as such: a real connection, broken in each way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import StreamEnded

from fuseboard import Call, CircuitBreaker, Verdict
from fuseboard.http import BreakerTransport, llm_judge
from fuseboard.server.sockets import bind, url_of

Break = Callable[[H2Connection, int], bytes]
"""Responds to a request, and returns bytes to send that are none of the protocol's."""

HEAD = [(":status", "200"), ("content-type", "text/event-stream")]
LONGER_THAN_SAID = b"\x00\x00\x09\x00\x01\x00\x00\x00\x01123456789"  # nine bytes of data
NO_INCREMENT = b"\x00\x00\x04\x08\x00\x00\x00\x00\x01\x00\x00\x00\x00"  # of a window


def resets_before_the_head(connection: H2Connection, stream: int) -> bytes:
    connection.reset_stream(stream, ErrorCodes.REFUSED_STREAM)
    return b""


def resets_in_the_middle(connection: H2Connection, stream: int) -> bytes:
    connection.send_headers(stream, HEAD)
    connection.send_data(stream, b"data: {}\n\n")
    connection.reset_stream(stream, ErrorCodes.INTERNAL_ERROR)
    return b""


def says_goodbye(connection: H2Connection, stream: int) -> bytes:
    connection.send_headers(stream, HEAD)
    connection.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
    return b""


def sends_more_than_it_said(connection: H2Connection, stream: int) -> bytes:
    connection.send_headers(stream, [*HEAD, ("content-length", "5")])
    return LONGER_THAN_SAID


def sends_a_frame_of_nothing(connection: H2Connection, stream: int) -> bytes:
    connection.send_headers(stream, HEAD)
    return NO_INCREMENT


def closes(connection: H2Connection, stream: int) -> bytes:
    connection.send_headers(stream, HEAD)
    return b""


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (resets_before_the_head, "HTTP/2 stream reset: REFUSED_STREAM"),
        (resets_in_the_middle, "HTTP/2 stream reset: INTERNAL_ERROR"),
        (says_goodbye, "HTTP/2 GOAWAY: ENHANCE_YOUR_CALM"),
        (sends_more_than_it_said, "broken HTTP/2"),
        (sends_a_frame_of_nothing, "broken HTTP/2"),
        (closes, "connection closed"),
    ],
)
async def test_each_way_to_break_http2_has_its_reason(break_it: Break, reason: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = H2Connection(H2Configuration(client_side=False))
        connection.initiate_connection()
        writer.write(connection.data_to_send())
        broken = False
        while not broken and (data := await reader.read(65_536)):
            for event in connection.receive_data(data):
                if isinstance(event, StreamEnded):
                    foreign = break_it(connection, event.stream_id)
                    writer.write(connection.data_to_send() + foreign)
                    broken = True
            writer.write(connection.data_to_send())
        writer.close()

    breaker = CircuitBreaker("wire")
    calls: list[Call] = []
    breaker.on_call(lambda _, call: calls.append(call))
    listener = bind("127.0.0.1", 0)
    server = await asyncio.start_server(serve, sock=listener)
    inner = httpx.AsyncHTTPTransport(http1=False, http2=True)
    transport = BreakerTransport(breaker, inner, judge=llm_judge)
    async with server, httpx.AsyncClient(transport=transport) as client:
        with pytest.raises(Exception):  # noqa: B017 (h2's own types among them)
            await client.post(f"{url_of(listener)}/v1/chat/completions", json={})
    (call,) = calls
    assert (call.ruling.verdict, call.ruling.reason) == (Verdict.FAILURE, reason)
    assert call.ruling.sent
