"""Content codings, undone chunk by chunk."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module

import brotli  # type: ignore[import-untyped]
import httpx
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from fuseboard.http import decompression
from fuseboard.http.decompression import (
    MAX_EXPANSION,
    DecodingError,
    ExpansionError,
    decoder_for,
)


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


def two_frames(body: bytes) -> bytes:
    pack = zstandard.ZstdCompressor().compress
    return pack(body[: len(body) // 2]) + pack(body[len(body) // 2 :])


CODINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "none": ("", lambda body: body),
    "identity": ("identity", lambda body: body),
    "gzip": ("gzip", gzip.compress),
    "GZIP": ("GZIP", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "br": ("br", brotli.compress),
    "zstd": ("zstd", zstandard.ZstdCompressor().compress),
    "zstd in two frames": ("zstd", two_frames),
    "gzip and nothing": ("identity, gzip", gzip.compress),
}
PACKED = [name for name in CODINGS if name not in {"none", "identity"}]


def decoded(coding: str, chunks: Sequence[bytes]) -> bytes:
    decoder = decoder_for(httpx.Headers({"Content-Encoding": coding}))
    assert decoder is not None
    body = b"".join(chunk for data in chunks for chunk in decoder.decode(data))
    decoder.end()
    return body


def cut(body: bytes, size: int) -> list[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)]


@pytest.mark.parametrize("name", CODINGS)
@given(body=st.binary(max_size=2000), size=st.integers(1, 300))
def test_a_body_comes_out_as_it_was_however_it_is_cut(name: str, body: bytes, size: int) -> None:
    coding, pack = CODINGS[name]
    assert decoded(coding, cut(pack(body), size)) == body


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("size", [1, 5, 1000])
def test_a_body_that_breaks_off_is_broken(name: str, size: int) -> None:
    coding, pack = CODINGS[name]
    whole = pack(b"what the server said" * 20)
    with pytest.raises(DecodingError):
        decoded(coding, cut(whole[:-1], size))
    with pytest.raises(DecodingError):
        decoded(coding, [whole[:1]])


@pytest.mark.parametrize("name", PACKED)
@given(chunks=st.lists(st.binary(max_size=200), max_size=5))
def test_any_bytes_are_decoded_or_broken(name: str, chunks: list[bytes]) -> None:
    coding, _ = CODINGS[name]
    with suppress(DecodingError):
        decoded(coding, chunks)


@pytest.mark.parametrize("name", CODINGS)
def test_no_body_at_all_is_not_broken(name: str) -> None:
    coding, _ = CODINGS[name]
    assert decoded(coding, []) == b""


@pytest.mark.parametrize("coding", ["compress", "gzip, secret", "gzip, gzip", "deflate, br"])
def test_an_unknown_coding_and_more_than_one_have_no_decoder(coding: str) -> None:
    assert decoder_for(httpx.Headers({"Content-Encoding": coding})) is None


@pytest.mark.parametrize("coding", ["br", "zstd"])
def test_codings_need_the_packages_that_httpx_needs(
    coding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(decompression, "import_module", refuse)
    assert decoder_for(httpx.Headers({"Content-Encoding": coding})) is None


@pytest.fixture
def without_zstandard(monkeypatch: pytest.MonkeyPatch) -> None:
    def import_other(name: str) -> object:
        if name == "zstandard":
            raise ImportError(name)
        return import_module(name)

    monkeypatch.setattr(decompression, "import_module", import_other)


@pytest.mark.usefixtures("without_zstandard")
@pytest.mark.parametrize("name", ["zstd", "zstd in two frames"])
@pytest.mark.parametrize("size", [1, 5, 1000])
def test_zstd_needs_the_module_of_either_library(name: str, size: int) -> None:
    coding, pack = CODINGS[name]
    body = b"what the server said" * 20
    assert decoded(coding, cut(pack(body), size)) == body
    with pytest.raises(DecodingError):
        decoded(coding, cut(pack(body)[:-1], size))
    with pytest.raises(DecodingError):
        decoded(coding, [b"no zstd at all"])


@pytest.mark.parametrize("module", ["brotli", "brotlicffi"])
def test_a_brotli_that_does_not_bound_its_output_is_not_used(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unbounded:
        class Decompressor:
            def process(self, data: bytes) -> bytes:
                return data

    monkeypatch.setattr(decompression, "import_module", lambda _: Unbounded)
    assert decoder_for(httpx.Headers({"Content-Encoding": "br"})) is None


def test_a_small_body_that_expands_a_lot_comes_in_chunks() -> None:
    decoder = decoder_for(httpx.Headers({"Content-Encoding": "gzip"}))
    assert decoder is not None
    sizes = [len(chunk) for chunk in decoder.decode(gzip.compress(bytes(MAX_EXPANSION)))]
    assert sum(sizes) == MAX_EXPANSION
    assert max(sizes) <= 64 * 1024


MIB = 1024 * 1024
BOMBS = {
    "gzip": gzip.compress(bytes(64 * MIB)),
    "deflate": zlib.compress(bytes(64 * MIB)),
    "br": brotli.compress(bytes(64 * MIB)),
    "zstd": zstandard.ZstdCompressor(19).compress(bytes(64 * MIB)),
}
BOMBS_OF_FRAMES = [
    zstandard.ZstdCompressor(19).compress(bytes(MIB)) * 64,
    zstandard.ZstdCompressor(19, write_content_size=False).compress(bytes(128 * 1024)) * 512,
]


@pytest.mark.parametrize(
    ("coding", "bomb"),
    [*BOMBS.items(), *(("zstd", bomb) for bomb in BOMBS_OF_FRAMES)],
    ids=[*BOMBS, "zstd of large frames", "zstd of small frames"],
)
def test_a_bomb_is_not_decoded(coding: str, bomb: bytes) -> None:
    decoder = decoder_for(httpx.Headers({"Content-Encoding": coding}))
    assert decoder is not None
    sizes = map(len, decoder.decode(bomb))
    tracemalloc.start()
    try:
        with pytest.raises(ExpansionError):
            sum(sizes)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * MAX_EXPANSION


def test_a_zstandard_window_that_http_does_not_allow_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    with pytest.raises(DecodingError):
        decoded("zstd", [packer.compress(b"hello") + packer.flush()])


@pytest.mark.parametrize("coding", ["gzip", "secret", "gzip, gzip"])
def test_a_coding_that_was_not_asked_for_is_refused_with_the_first_byte(coding: str) -> None:
    decoder = decoder_for(httpx.Headers({"Content-Encoding": coding}), accepts_codings=False)
    assert decoder is not None
    assert list(decoder.decode(b"")) == []
    decoder.end()
    with pytest.raises(DecodingError):
        list(decoder.decode(b"x"))
