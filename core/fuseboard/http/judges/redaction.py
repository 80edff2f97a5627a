"""Finding where a server's message quotes the request, so that it can be cut there."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

from fuseboard.http.judge import Request
from fuseboard.http.judges.server_words import find_foreign_word

MAX_SEARCHED = 32 * 1024
"""Bytes of a request's body that are searched for what a message quotes: searching takes the
time of the caller's event loop, a millisecond for so many."""
MIN_QUOTATION = 16
"""Consecutive letters and digits of the request's body that make a quotation."""
_MIN_KEY_QUOTATION = 8  # the same for a key

# Values of these fields do not reveal the prompt: a server may name them.
_PUBLIC_FIELDS = frozenset({"model", "name", "role", "type", "keep_alive", "format"})
_KEY_HEADERS = ("Authorization", "Proxy-Authorization", "X-Api-Key", "Api-Key")

_ESCAPED = re.compile(
    r"""
    (?P<utf_16> (?: \\+u[0-9a-f]{4} )+ )
    | (?P<utf_8> (?: \\+x[0-9a-f]{2} )+ | (?: %[0-9a-f]{2} )+ )
    | (?P<entity> &\#?\w{1,31}; )
    | \\+[abfnrtv]
    """,
    re.VERBOSE | re.IGNORECASE,
)
_MAY_ESCAPE = re.compile(r"[\\%&]")
_HEX_DIGITS = re.compile(r"(?:\\+[ux]|%)([0-9a-f]+)", re.IGNORECASE)
_SEPARATORS = re.compile(r"[\W_]+")
_NO_ASCII = re.compile(r"[^\x00-\x7f]+")
_ASCII_LOWER = bytes(range(256)).lower()
_ASCII_SEPARATORS = bytes(byte for byte in range(128) if not chr(byte).isalnum())
# The name of the model at either end of a body of JSON: in a string the quotes are escaped.
_MODEL = re.compile(rb'[{,]\s*"model"\s*:\s*"([^"\\]*)"')
_MODEL_WITHIN = 1024  # bytes of the beginning and of the end


def find_quotation(text: str, request: Request) -> int | None:
    """Return the index in `text` at which it starts to quote a request; `None` if nowhere.

    A quotation is `MIN_QUOTATION` consecutive letters and digits of the body,
    8 of a key in a header, or the whole of a shorter text as separate words.
    Case, blanks, punctuation and the usual escapes are ignored. A short text
    inside the model's name is not a quotation. If the body of the request was
    not read, any text may be a quotation and the index is 0. A body of more
    than `MAX_SEARCHED` bytes is not searched: there, any word may be quoted that
    servers' own messages do not consist of.
    """
    try:
        content = request.content
    except RuntimeError:  # RequestNotRead of either library
        return 0
    values = (value for name in _KEY_HEADERS for value in request.headers.get_list(name))
    keys = _Secrets((value.rpartition(" ")[2] for value in values), _MIN_KEY_QUOTATION)
    readings = [_FoldedText(enumerate(text))]
    escaped = _ESCAPED.search(text)
    if escaped:
        readings.append(_FoldedText(_unescaped_parts(text)))
    secrets = [keys]
    found: list[int | None] = []
    if len(content) > MAX_SEARCHED:
        in_model_name = _positions_of(_model_name_at_ends(content), text)
        found += [find_foreign_word(text, in_model_name), escaped.start() if escaped else None]
    else:
        body = _parse(content)
        in_model_name = _positions_of(_model_name(body), text)
        secrets.append(_Secrets(_private_texts(body), MIN_QUOTATION))
    found += [each.find_in(reading, in_model_name) for each in secrets for reading in readings]
    return min((position for position in found if position is not None), default=None)


class _FoldedText:
    """The letters and digits of a text without case, each with its position in the original."""

    def __init__(self, parts: Iterable[tuple[int, str]]) -> None:
        self.positions: list[int] = []
        self.starts_word: list[bool] = []  # one more than letters: the end counts as a start
        letters: list[str] = []
        starts_word = True
        for position, part in parts:
            if part.isascii() and len(part) == 1:
                folded = part.lower() if part.isalnum() else ""
            else:
                folded = _fold(part)
            starts_word = starts_word or not folded
            for letter in folded:
                letters.append(letter)
                self.positions.append(position)
                self.starts_word.append(starts_word)
                starts_word = False
        self.starts_word.append(True)
        self.text = "".join(letters)


class _Secrets:
    """Texts that must not be quoted.

    `run` consecutive letters make a quotation; of a text with fewer, all of
    them, between word boundaries.
    """

    def __init__(self, texts: Iterable[str], run: int) -> None:
        folded = {_fold(form) for text in texts for form in {text, _unescape(text)}}
        self._run = run
        self._long = "\n".join(text for text in folded if len(text) >= run)
        self._short = {text for text in folded if 0 < len(text) < run}
        self._short_lengths = set(map(len, self._short))

    def find_in(self, reading: _FoldedText, in_model_name: Container[int]) -> int | None:
        """Return the position at which a quotation starts; `None` if there is none."""
        is_long_at = self._places_of_long_texts(reading.text)
        for index, position in enumerate(reading.positions):
            if is_long_at[index]:
                return position
            if (
                reading.starts_word[index]
                and position not in in_model_name
                and self._is_short_text_at(reading, index)
            ):
                return position
        return None

    def _places_of_long_texts(self, text: str) -> list[bool]:
        """Return, for each letter of `text`, whether a quotation of a long text begins there."""
        places = [False] * len(text)
        if not self._long:
            return places
        # Each run contains a block that begins at a multiple of half its length: only where that
        # is found need the runs be looked for.
        half = self._run // 2
        for block in range(0, len(text) - half + 1, half):
            if text[block : block + half] not in self._long:
                continue
            for start in range(max(block - half, 0), min(block, len(text) - self._run) + 1):
                places[start] = places[start] or text[start : start + self._run] in self._long
        return places

    def _is_short_text_at(self, reading: _FoldedText, index: int) -> bool:
        ends = (index + length for length in self._short_lengths)
        return any(
            reading.text[index:end] in self._short and reading.starts_word[end]
            for end in ends
            if end <= len(reading.text)
        )


def _parse(body: bytes) -> Any:
    """Return a body of JSON as an object, any other as a text."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")


def _model_name(body: Any) -> str:
    model = body.get("model") if isinstance(body, dict) else None
    return model if isinstance(model, str) else ""


def _model_name_at_ends(body: bytes) -> str:
    beginning, end = body[:_MODEL_WITHIN], body[-_MODEL_WITHIN:]
    if not beginning.lstrip().startswith(b"{"):
        return ""
    found = _MODEL.search(beginning) or _MODEL.search(end)
    return found[1].decode("utf-8", "replace") if found else ""


def _positions_of(name: str, text: str) -> set[int]:
    if not name:
        return set()
    found = re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text)
    return {position for match in found for position in range(*match.span())}


def _private_texts(body: Any) -> Iterator[str]:
    """Yield every string of a body except public fields."""
    pending = [body]
    while pending:
        match pending.pop():
            case str() as text:
                yield text
            case list() as values:
                pending.extend(values)
            case dict() as fields:
                pending.extend(_private_values(fields))


def _private_values(fields: Mapping[str, Any]) -> Iterator[Any]:
    for name, value in fields.items():
        if name not in _PUBLIC_FIELDS or not isinstance(value, str):
            yield value


def _unescaped_parts(text: str) -> Iterator[tuple[int, str]]:
    """Yield the characters of a text with their positions, a run of escapes as one part."""
    end = 0
    for escaped in _ESCAPED.finditer(text):
        yield from enumerate(text[end : escaped.start()], end)
        yield escaped.start(), _decode_escape(escaped)
        end = escaped.end()
    yield from enumerate(text[end:], end)


def _unescape(text: str) -> str:
    if not _MAY_ESCAPE.search(text):
        return text
    return _ESCAPED.sub(_decode_escape, text)


def _decode_escape(escaped: re.Match[str]) -> str:
    match escaped.lastgroup:
        case "entity":
            return html.unescape(escaped[0])
        case "utf_16":
            return _hex_bytes(escaped[0]).decode("utf-16-be", "replace")
        case "utf_8":
            return _hex_bytes(escaped[0]).decode("utf-8", "replace")
        case _:
            return ""


def _hex_bytes(text: str) -> bytes:
    return bytes.fromhex("".join(_HEX_DIGITS.findall(text)))


def _fold(text: str) -> str:
    """Return the letters and digits of a text without case and accents."""
    if not text.isascii():
        text = _NO_ASCII.sub(_fold_no_ascii, text)
    folded = text.encode("utf-8", "surrogatepass").translate(_ASCII_LOWER, _ASCII_SEPARATORS)
    return folded.decode("utf-8", "surrogatepass")


def _fold_no_ascii(found: re.Match[str]) -> str:
    return _SEPARATORS.sub("", unicodedata.normalize("NFKD", found[0]).casefold())
