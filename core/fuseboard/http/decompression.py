"""Undoing a body's content coding chunk by chunk, so that a judge reads plain bytes."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from itertools import chain
from typing import Any, Protocol

from fuseboard.http.judge import Headers

_CHUNK_SIZE = 64 * 1024  # bytes; bounds what a small compressed chunk expands to at a time
_MAX_CODINGS = 4


class DecodingError(Exception):
    """A body is not what its content coding says."""


class Decoder(Protocol):
    """Undo a content coding; both methods raise `DecodingError` on a corrupt body."""

    def decode(self, data: bytes) -> Iterable[bytes]:
        """Return what the next chunk of the body expands to, in chunks."""
        ...

    def end(self) -> None:
        """Check that the body is complete."""
        ...


def decoder_for(headers: Headers) -> Decoder | None:
    """Return a decoder for a response's `Content-Encoding`.

    `None` if a coding is unknown, needs a package that is not installed, or if
    there are too many: the client cannot decode such a body either.
    """
    names = [name.lower() for name in headers.get_list("Content-Encoding", split_commas=True)]
    codings = [name for name in map(str.strip, names) if name not in {"", "identity"}]
    if len(codings) > _MAX_CODINGS:
        return None
    decoders: list[Decoder] = []
    for coding in reversed(codings):  # the last one was applied last
        make = _DECODERS.get(coding)
        decoder = make() if make else None
        if decoder is None:
            return None
        decoders.append(decoder)
    return _DecoderChain(decoders)


class _DecoderChain:
    def __init__(self, decoders: Iterable[Decoder]) -> None:
        self._decoders = tuple(decoders)

    def decode(self, data: bytes) -> Iterable[bytes]:
        chunks: Iterable[bytes] = (data,)
        for decoder in self._decoders:
            chunks = chain.from_iterable(map(decoder.decode, chunks))
        return chunks

    def end(self) -> None:
        for decoder in self._decoders:
            decoder.end()


class _ZlibDecoder:
    def __init__(self, window_bits: int) -> None:
        self._decompressor = zlib.decompressobj(window_bits)
        self._started = False

    def decode(self, data: bytes) -> Iterator[bytes]:
        self._started = self._started or bool(data)
        while not self._decompressor.eof:
            try:
                chunk = self._decompressor.decompress(data, _CHUNK_SIZE)
            except zlib.error as error:
                raise DecodingError(str(error)) from error
            data = self._decompressor.unconsumed_tail
            if chunk:
                yield chunk
            if not data and len(chunk) < _CHUNK_SIZE:
                return

    def end(self) -> None:
        _require_complete(self._started, self._decompressor.eof)


class _DeflateDecoder:
    """Decode `deflate`: the zlib format, or the bare stream that some servers send instead."""

    def __init__(self) -> None:
        self._head = b""
        self._decoder: _ZlibDecoder | None = None

    def decode(self, data: bytes) -> Iterator[bytes]:
        if self._decoder is None:
            data = self._head + data
            if len(data) < 2:
                self._head = data
                return
            # RFC 1950, 2.2: compression method 8 and a checksum in the first two bytes.
            is_zlib = data[0] & 0x0F == 8 and int.from_bytes(data[:2]) % 31 == 0
            self._decoder = _ZlibDecoder(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)
        yield from self._decoder.decode(data)

    def end(self) -> None:
        if self._decoder is None:
            _require_complete(bool(self._head), complete=False)
        else:
            self._decoder.end()


class _BrotliDecoder:
    def __init__(self, module: Any) -> None:
        self._decompressor = module.Decompressor()
        # brotlicffi calls this method `decompress`.
        self._process = (
            getattr(self._decompressor, "process", None) or self._decompressor.decompress
        )
        self._error = module.error
        self._started = False

    def decode(self, data: bytes) -> Iterator[bytes]:
        self._started = self._started or bool(data)
        if data:
            try:
                yield self._process(data)
            except self._error as error:
                raise DecodingError(str(error)) from error

    def end(self) -> None:
        _require_complete(self._started, self._decompressor.is_finished())


class _ZstandardDecoder:
    def __init__(self, make_decompressor: Callable[[], Any], error: type[Exception]) -> None:
        self._make_decompressor = make_decompressor
        self._decompressor = make_decompressor()
        self._error = error
        self._started = False

    def decode(self, data: bytes) -> Iterator[bytes]:
        self._started = self._started or bool(data)
        while data:
            if self._decompressor.eof:  # another frame follows
                self._decompressor = self._make_decompressor()
            try:
                chunk = self._decompressor.decompress(data)
            except self._error as error:
                raise DecodingError(str(error)) from error
            data = self._decompressor.unused_data
            yield chunk

    def end(self) -> None:
        _require_complete(self._started, self._decompressor.eof)


def _require_complete(started: bool, complete: bool) -> None:
    if started and not complete:
        raise DecodingError("the compressed body breaks off")


def _brotli_decoder() -> Decoder | None:
    module = _import_first("brotli", "brotlicffi")
    return _BrotliDecoder(module) if module else None


def _zstandard_decoder() -> Decoder | None:
    if module := _import_first("zstandard"):  # httpx's
        return _ZstandardDecoder(
            lambda: module.ZstdDecompressor().decompressobj(), module.ZstdError
        )
    if module := _import_first("compression.zstd", "backports.zstd"):  # httpx2's
        return _ZstandardDecoder(module.ZstdDecompressor, module.ZstdError)
    return None


def _import_first(*names: str) -> Any:
    """Return the first module that is installed, in the clients' own order; `None` if none is."""
    for name in names:
        try:
            return import_module(name)
        except ImportError:
            continue
    return None


_DECODERS: dict[str, Callable[[], Decoder | None]] = {
    "gzip": lambda: _ZlibDecoder(zlib.MAX_WBITS | 16),
    "deflate": _DeflateDecoder,
    "br": _brotli_decoder,
    "zstd": _zstandard_decoder,
}
