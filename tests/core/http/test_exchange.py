"""Compression bombs, fed to an exchange as the network delivers them."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import brotli  # type: ignore[import-untyped]
import httpx
import pytest
import zstandard

from fuseboard.breaker.outcome import Ruling, Verdict
from fuseboard.http import http_judge, ollama_judge, openai_judge
from fuseboard.http.decompression import MAX_EXPANSION
from fuseboard.http.exchange import GuardedExchange
from fuseboard.http.judge import Headers, Judge

MIB = 1024 * 1024
TOO_LONG = Ruling(Verdict.FAILURE, "answer is too long")
BOMBS: list[tuple[str, bytes]] = [
    ("gzip", gzip.compress(bytes(64 * MIB))),
    ("deflate", zlib.compress(bytes(64 * MIB))),
    ("br", brotli.compress(bytes(64 * MIB))),
    ("zstd", zstandard.ZstdCompressor(19).compress(bytes(64 * MIB))),
]


class CountingJudge:
    """A judge that counts the bytes it is fed, and passes everything on."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.bytes_fed = 0

    @property
    def ruling(self) -> Ruling | None:
        return self.judge.ruling

    @property
    def content_started(self) -> bool:
        return self.judge.content_started

    def begin(self, status: int, headers: Headers) -> None:
        self.judge.begin(status, headers)

    def feed(self, data: bytes) -> None:
        self.bytes_fed += len(data)
        self.judge.feed(data)

    def end(self) -> Ruling:
        return self.judge.end()


def judged(
    body: bytes,
    make_judge: Callable[[httpx.Request], Judge],
    *,
    coding: str = "",
    status: int = 200,
    path: str = "/api/generate",
) -> tuple[Ruling | None, int]:
    """Return the ruling on a body, and how many bytes of it were judged in the longest step."""
    request = httpx.Request("POST", f"http://127.0.0.1{path}")
    judge = CountingJudge(make_judge(request))
    exchange = GuardedExchange(judge, None, request)
    exchange.begin(status, httpx.Headers({"Content-Encoding": coding}))
    longest = before = 0
    for start in range(0, len(body), 64 * 1024):
        exchange.feed(body[start : start + 64 * 1024])
        longest = max(longest, judge.bytes_fed - before)
        before = judge.bytes_fed
    exchange.ended()
    return exchange.ruling, longest


@pytest.mark.parametrize(("coding", "bomb"), BOMBS, ids=[coding for coding, _ in BOMBS])
@pytest.mark.parametrize(
    ("make_judge", "path"), [(ollama_judge, "/api/generate"), (openai_judge, "/v1/completions")]
)
def test_a_bomb_is_a_failure_and_is_not_read(
    coding: str, bomb: bytes, make_judge: Callable[[httpx.Request], Judge], path: str
) -> None:
    ruling, longest = judged(bomb, make_judge, coding=coding, path=path)
    assert ruling == TOO_LONG
    assert longest <= MAX_EXPANSION


@pytest.mark.parametrize(("coding", "bomb"), BOMBS, ids=[coding for coding, _ in BOMBS])
def test_where_nothing_in_the_body_matters_a_bomb_changes_nothing(coding: str, bomb: bytes) -> None:
    request = httpx.Request("GET", "http://127.0.0.1/")
    exchange = GuardedExchange(http_judge(request), None, request)
    exchange.begin(200, httpx.Headers({"Content-Encoding": coding}))
    exchange.feed(bomb)
    exchange.ended()
    assert exchange.ruling is not None
    assert exchange.ruling.verdict is Verdict.SUCCESS


@pytest.mark.parametrize("layers", ["gzip, gzip", "gzip, br", "deflate, zstd, gzip"])
def test_of_several_codings_nothing_is_read(layers: str) -> None:
    assert judged(BOMBS[0][1], ollama_judge, coding=layers)[1] == 0


@pytest.mark.parametrize("make_judge", [http_judge, ollama_judge, openai_judge])
def test_no_more_of_an_error_is_decoded_than_is_read_of_its_message(
    make_judge: Callable[[httpx.Request], Judge],
) -> None:
    body = b'{"error": "out of memory"}' + b" " * 64 * MIB
    ruling, longest = judged(gzip.compress(body), make_judge, coding="gzip", status=500)
    assert ruling is not None
    assert ruling.verdict is Verdict.FAILURE
    assert longest <= 128 * 1024


def test_what_follows_the_last_object_changes_nothing() -> None:
    body = b'{"response": "hi", "done": true}\n' + b" " * 64 * MIB
    ruling, longest = judged(gzip.compress(body), ollama_judge, coding="gzip")
    assert ruling is not None
    assert ruling.verdict is Verdict.SUCCESS
    assert longest <= MAX_EXPANSION  # an error there would change it, so it is looked at
