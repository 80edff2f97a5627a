"""Dividing bodies into chunks, however their bytes come."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseboard.faults.proxy.chunks import MAX_CHUNK_BYTES, ChunkSplitter, finishes, is_stream

EVENTS, LINES = "text/event-stream", "application/x-ndjson"


def chunks_of(media_type: str, parts: Sequence[bytes]) -> list[bytes]:
    splitter = ChunkSplitter(media_type)
    chunks = [chunk for part in parts for chunk in splitter.split(part)]
    return [*chunks, rest] if (rest := splitter.rest()) else chunks


def test_the_chunks_are_lines_or_events() -> None:
    assert chunks_of(LINES, [b"a\nb\r\n\nc"]) == [b"a\n", b"b\r\n", b"\n", b"c"]
    assert chunks_of(EVENTS, [b"data: a\ndata: b\n\n: ping\r\n\r\nx\r\ry"]) == [
        b"data: a\ndata: b\n\n",
        b": ping\r\n\r\n",
        b"x\r\r",
        b"y",
    ]


@given(
    st.sampled_from([EVENTS, LINES]),
    st.text("ab:\r\n").map(str.encode),
    st.lists(st.integers(0, 40)),
)
def test_where_the_bytes_are_cut_makes_no_difference(
    media_type: str, body: bytes, cuts: list[int]
) -> None:
    ends = sorted({min(cut, len(body)) for cut in cuts} | {0, len(body)})
    parts = [body[start:end] for start, end in pairwise(ends)]
    chunks = chunks_of(media_type, parts)
    assert chunks == chunks_of(media_type, [body])
    assert b"".join(chunks) == body


def test_a_line_without_end_is_not_held_in_memory() -> None:
    for parts in ([b"a" * (3 * MAX_CHUNK_BYTES)], [b"a" * 1000] * 300):
        chunks = chunks_of(LINES, [*parts, b"\n"])
        assert max(map(len, chunks)) == MAX_CHUNK_BYTES
        assert sum(map(len, chunks)) == sum(map(len, parts)) + 1


@pytest.mark.parametrize(
    "chunk",
    [
        b'{"response":"","done":true}\n',
        b'{"done_reason":"length","x":1}\n',
        b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n',
        b"data: [DONE]\n\n",
        b'event: message_delta\ndata: {"delta":{"stop_reason": "end_turn"}}\n\n',
        b'data: {"candidates":[{"finishReason":"STOP"}]}\n\n',
        b'data: {"type":"response.completed"}\n\n',
    ],
)
def test_what_completes_an_answer_is_known(chunk: bytes) -> None:
    assert finishes(chunk)


@pytest.mark.parametrize(
    "chunk",
    [
        b'{"response":"done","done":false}\n',
        b'data: {"choices":[{"delta":{"content":"[DONE]"},"finish_reason":null}]}\n\n',
        b'data: {"message":{"stop_reason":null}}\n\n',
        rb'{"response":"say \"done\": true","done":false}' + b"\n",
        b"",
    ],
)
def test_what_goes_on_is_known(chunk: bytes) -> None:
    assert not finishes(chunk)


def test_only_streams_are_streams() -> None:
    assert is_stream(EVENTS)
    assert is_stream(LINES)
    assert not is_stream("application/json")
    assert not is_stream("")
