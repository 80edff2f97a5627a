"""Undoing a body's content coding piece by piece, so that a judge sees what was said."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from itertools import chain
from typing import Any, Protocol

import httpx

_PIECE = 64 * 1024  # bytes; what a few compressed ones become is not held at once
_MOST_CODINGS = 4


class Decoder(Protocol):
    """Undoes a coding; both methods raise `httpx.DecodingError` on a broken body."""

    def decode(self, data: bytes) -> Iterable[bytes]:
        """Give what a piece of the body becomes."""
        ...

    def end(self) -> None:
        """Check that nothing is missing."""
        ...


def decoder_for(headers: httpx.Headers) -> Decoder | None:
    """Make what undoes the codings of a body; `None` if httpx could not undo them either."""
    names = [name.lower() for name in headers.get_list("Content-Encoding", split_commas=True)]
    codings = [name for name in map(str.strip, names) if name not in {"", "identity"}]
    if len(codings) > _MOST_CODINGS:
        return None
    decoders: list[Decoder] = []
    for coding in reversed(codings):  # the last one was applied last
        make = _DECODERS.get(coding)
        decoder = make() if make else None
        if decoder is None:
            return None
        decoders.append(decoder)
    return _Chain(decoders)


class _Chain:
    def __init__(self, decoders: Iterable[Decoder]) -> None:
        self._decoders = tuple(decoders)

    def decode(self, data: bytes) -> Iterable[bytes]:
        pieces: Iterable[bytes] = (data,)
        for decoder in self._decoders:
            pieces = chain.from_iterable(map(decoder.decode, pieces))
        return pieces

    def end(self) -> None:
        for decoder in self._decoders:
            decoder.end()


class _Zlib:
    def __init__(self, window: int) -> None:
        self._inflate = zlib.decompressobj(window)
        self._begun = False

    def decode(self, data: bytes) -> Iterator[bytes]:
        self._begun = self._begun or bool(data)
        while not self._inflate.eof:
            try:
                piece = self._inflate.decompress(data, _PIECE)
            except zlib.error as error:
                raise httpx.DecodingError(str(error)) from error
            data = self._inflate.unconsumed_tail
            if piece:
                yield piece
            if not data and len(piece) < _PIECE:
                return

    def end(self) -> None:
        _require_end(self._begun, self._inflate.eof)


class _Deflate:
    """What the name means, and the bare stream that some servers send instead."""

    def __init__(self) -> None:
        self._head = b""
        self._inflate: _Zlib | None = None

    def decode(self, data: bytes) -> Iterator[bytes]:
        if self._inflate is None:
            data = self._head + data
            if len(data) < 2:
                self._head = data
                return
            named = data[0] & 0x0F == 8 and int.from_bytes(data[:2]) % 31 == 0
            self._inflate = _Zlib(zlib.MAX_WBITS if named else -zlib.MAX_WBITS)
        yield from self._inflate.decode(data)

    def end(self) -> None:
        if self._inflate is None:
            _require_end(bool(self._head), whole=False)
        else:
            self._inflate.end()


class _Brotli:
    def __init__(self, module: Any) -> None:
        self._inflate = module.Decompressor()
        # The two packages of this interface name it differently.
        self._process = getattr(self._inflate, "process", None) or self._inflate.decompress
        self._error = module.error
        self._begun = False

    def decode(self, data: bytes) -> Iterator[bytes]:
        self._begun = self._begun or bool(data)
        if data:
            try:
                yield self._process(data)
            except self._error as error:
                raise httpx.DecodingError(str(error)) from error

    def end(self) -> None:
        _require_end(self._begun, self._inflate.is_finished())


class _Zstandard:
    def __init__(self, module: Any) -> None:
        self._module = module
        self._inflate = module.ZstdDecompressor().decompressobj()
        self._begun = False

    def decode(self, data: bytes) -> Iterator[bytes]:
        self._begun = self._begun or bool(data)
        while data:
            if self._inflate.eof:  # another frame follows
                self._inflate = self._module.ZstdDecompressor().decompressobj()
            try:
                piece = self._inflate.decompress(data)
            except self._module.ZstdError as error:
                raise httpx.DecodingError(str(error)) from error
            data = self._inflate.unused_data
            yield piece

    def end(self) -> None:
        _require_end(self._begun, self._inflate.eof)


def _require_end(begun: bool, whole: bool) -> None:
    if begun and not whole:
        raise httpx.DecodingError("the compressed body breaks off")


def _brotli() -> Decoder | None:
    module = _first_of("brotli", "brotlicffi")
    return _Brotli(module) if module else None


def _zstandard() -> Decoder | None:
    module = _first_of("zstandard")
    return _Zstandard(module) if module else None


def _first_of(*names: str) -> Any:
    """Import what httpx itself would use, if it is there."""
    for name in names:
        try:
            return import_module(name)
        except ImportError:
            continue
    return None


_DECODERS: dict[str, Callable[[], Decoder | None]] = {
    "gzip": lambda: _Zlib(zlib.MAX_WBITS | 16),
    "deflate": _Deflate,
    "br": _brotli,
    "zstd": _zstandard,
}
