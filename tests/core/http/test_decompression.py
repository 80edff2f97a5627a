"""Content codings, undone chunk by chunk."""

from __future__ import annotations

import gzip
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
from fuseboard.http.decompression import DecodingError, decoder_for


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
    "two at once": ("deflate, identity, gzip", lambda body: gzip.compress(zlib.compress(body))),
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


@pytest.mark.parametrize("coding", ["compress", "gzip, secret", ", ".join(["gzip"] * 5)])
def test_an_unknown_coding_has_no_decoder(coding: str) -> None:
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


def test_a_small_body_that_expands_a_lot_comes_in_chunks() -> None:
    decoder = decoder_for(httpx.Headers({"Content-Encoding": "gzip"}))
    assert decoder is not None
    sizes = [len(chunk) for chunk in decoder.decode(gzip.compress(bytes(10_000_000)))]
    assert sum(sizes) == 10_000_000
    assert max(sizes) <= 64 * 1024
