"""Undoing a body's content coding chunk by chunk, so that a judge reads plain bytes.

No step expands to more than `MAX_EXPANSION`, whatever the body says, and no decoder holds more
than a window of 16 MiB: a few bytes may stand for gigabytes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import Any, Protocol

from fuseboard.http.judge import Headers

MAX_EXPANSION = 4 * 1024 * 1024
"""Bytes that one chunk of a compressed body may expand to; what a server sends takes far less."""

_CHUNK_SIZE = 64 * 1024  # bytes; bounds what a small compressed chunk expands to at a time
# A block of Zstandard takes 4 bytes or more and expands to 128 KiB at most (RFC 8878, 3.1.1.2.4).
_ZSTANDARD_STEP = 64  # bytes of input, so 2 MiB of output
_ZSTANDARD_WINDOW_LOG = 23  # 8 MiB; more must not be sent over HTTP (RFC 9659)


class DecodingError(Exception):
    """A body is not what its content coding says."""


class ExpansionError(DecodingError):
    """A chunk of a body expands to more than `MAX_EXPANSION`."""


class Decoder(Protocol):
    """Undo a content coding; both methods raise `DecodingError` on a corrupt body."""

    def decode(self, data: bytes) -> Iterable[bytes]:
        """Return what the next chunk of the body expands to, in chunks that are made one by one.

        Raises:
            ExpansionError: While iterating, if that is more than `MAX_EXPANSION`.
        """
        ...

    def end(self) -> None:
        """Check that the body is complete."""
        ...


def decoder_for(headers: Headers, *, accepts_codings: bool = True) -> Decoder | None:
    """Return a decoder for a response's `Content-Encoding`.

    `None` if the coding is unknown, cannot be undone in bounded steps with the
    packages that are installed, or is one of several: no server needs two.

    Args:
        headers: The response's headers.
        accepts_codings: False if the request asked for plain bytes; the decoder
            of a coded body then raises `DecodingError` on the first byte.
    """
    names = [name.lower() for name in headers.get_list("Content-Encoding", split_commas=True)]
    codings = [name for name in map(str.strip, names) if name not in {"", "identity"}]
    if not codings:
        return _PlainDecoder()
    if not accepts_codings:
        return _RefusingDecoder()
    make = _DECODERS.get(codings[0])
    decoder = make() if make and len(codings) == 1 else None
    return _BoundedDecoder(decoder) if decoder else None


class _PlainDecoder:
    def decode(self, data: bytes) -> Iterable[bytes]:
        return (data,)

    def end(self) -> None:
        pass


class _RefusingDecoder:
    def decode(self, data: bytes) -> Iterable[bytes]:
        if data:
            raise DecodingError("a coding that was not asked for")
        return ()

    def end(self) -> None:
        pass


class _BoundedDecoder:
    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self.end = decoder.end

    def decode(self, data: bytes) -> Iterator[bytes]:
        left = MAX_EXPANSION
        for chunk in self._decoder.decode(data):
            left -= len(chunk)
            if left < 0:
                raise ExpansionError("a chunk of the body expands to too much")
            yield chunk


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
        while data or not self._decompressor.can_accept_more_data():
            try:
                chunk = self._process(data, output_buffer_limit=_CHUNK_SIZE)
            except self._error as error:
                raise DecodingError(str(error)) from error
            data = b""
            yield chunk

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
        for start in range(0, len(data), _ZSTANDARD_STEP):
            yield from self._decode_step(data[start : start + _ZSTANDARD_STEP])

    def _decode_step(self, data: bytes) -> Iterator[bytes]:
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
    # Before 1.2, neither package bounds what it returns.
    bounded = module and hasattr(module.Decompressor, "can_accept_more_data")
    return _BrotliDecoder(module) if bounded else None


def _zstandard_decoder() -> Decoder | None:
    if module := _import_first("zstandard"):  # httpx's
        decompressor = module.ZstdDecompressor(max_window_size=2**_ZSTANDARD_WINDOW_LOG)
        return _ZstandardDecoder(decompressor.decompressobj, module.ZstdError)
    if module := _import_first("compression.zstd", "backports.zstd"):  # httpx2's
        options = {module.DecompressionParameter.window_log_max: _ZSTANDARD_WINDOW_LOG}
        return _ZstandardDecoder(lambda: module.ZstdDecompressor(options=options), module.ZstdError)
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
