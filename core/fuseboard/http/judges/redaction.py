"""Finding where a server's message quotes the request, so that it can be cut there."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

import httpx

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
_HEX_DIGITS = re.compile(r"(?:\\+[ux]|%)([0-9a-f]+)", re.IGNORECASE)
_SEPARATORS = re.compile(r"[\W_]+")


def find_quotation(text: str, request: httpx.Request) -> int | None:
    """Return the index in `text` at which it starts to quote a request; `None` if nowhere.

    A quotation is `MIN_QUOTATION` consecutive letters and digits of the body,
    8 of a key in a header, or the whole of a shorter text as separate words.
    Case, blanks, punctuation and the usual escapes are ignored. A short text
    inside the model's name is not a quotation. If the body of the request was
    not read, any text may be a quotation and the index is 0.
    """
    try:
        body = _Secrets(_private_texts(request.content), MIN_QUOTATION)
    except httpx.RequestNotRead:
        return 0
    values = (value for name in _KEY_HEADERS for value in request.headers.get_list(name))
    keys = _Secrets((value.rpartition(" ")[2] for value in values), _MIN_KEY_QUOTATION)
    readings = [_FoldedText(enumerate(text))]
    if _ESCAPED.search(text):
        readings.append(_FoldedText(_unescaped_parts(text)))
    in_model_name = _positions_of(_model_name(request.content), text)
    found = (
        secrets.find_in(reading, in_model_name) for secrets in (body, keys) for reading in readings
    )
    return min((position for position in found if position is not None), default=None)


class _FoldedText:
    """The letters and digits of a text without case, each with its position in the original."""

    def __init__(self, parts: Iterable[tuple[int, str]]) -> None:
        self.positions: list[int] = []
        self.starts_word: list[bool] = []  # one more than letters: the end counts as a start
        letters: list[str] = []
        starts_word = True
        for position, part in parts:
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
        folded = {_fold(form) for text in texts for form in (text, _unescape(text))}
        self._run = run
        self._long = "\n".join(text for text in folded if len(text) >= run)
        self._short = {text for text in folded if 0 < len(text) < run}

    def find_in(self, reading: _FoldedText, in_model_name: Container[int]) -> int | None:
        """Return the position at which a quotation starts; `None` if there is none."""
        for index, position in enumerate(reading.positions):
            run = reading.text[index : index + self._run]
            if len(run) == self._run and run in self._long:
                return position
            if (
                reading.starts_word[index]
                and position not in in_model_name
                and self._is_short_text_at(reading, index)
            ):
                return position
        return None

    def _is_short_text_at(self, reading: _FoldedText, index: int) -> bool:
        return any(
            reading.text.startswith(text, index) and reading.starts_word[index + len(text)]
            for text in self._short
        )


def _model_name(body: bytes) -> str:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    model = parsed.get("model") if isinstance(parsed, dict) else None
    return model if isinstance(model, str) else ""


def _positions_of(name: str, text: str) -> set[int]:
    if not name:
        return set()
    found = re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text)
    return {position for match in found for position in range(*match.span())}


def _private_texts(body: bytes) -> Iterator[str]:
    """Yield every string of a JSON body except public fields; any other body whole."""
    try:
        pending: list[Any] = [json.loads(body)]
    except (ValueError, RecursionError):
        yield body.decode("utf-8", "replace")
        return
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
    return _SEPARATORS.sub("", unicodedata.normalize("NFKD", text).casefold())
