"""Finding in a text what the caller of a server had said to it."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

import httpx

RUN = 16
"""How many letters and digits in a row, of what was sent, make a quotation."""
_RUN_OF_A_KEY = 8

# What says nothing of the question: a server may name it.
_NO_SECRETS = frozenset({"model", "name", "role", "type", "keep_alive", "format"})
_KEYS = ("Authorization", "Proxy-Authorization", "X-Api-Key", "Api-Key")

_ESCAPED = re.compile(
    r"""
    (?P<utf_16> (?: \\+u[0-9a-f]{4} )+ )
    | (?P<utf_8> (?: \\+x[0-9a-f]{2} )+ | (?: %[0-9a-f]{2} )+ )
    | (?P<entity> &\#?\w{1,31}; )
    | \\+[abfnrtv]
    """,
    re.VERBOSE | re.IGNORECASE,
)
_NUMBERS = re.compile(r"(?:\\+[ux]|%)([0-9a-f]+)", re.IGNORECASE)
_SEPARATORS = re.compile(r"[\W_]+")


def find_quotation(text: str, request: httpx.Request) -> int | None:
    """Find where a text begins to quote what a request said; `None` if nowhere.

    A quotation is `RUN` letters and digits in a row, half as many of a key
    that the request was sent with, or all of what is shorter, as words of its
    own. Case, blanks, punctuation and the usual ways to escape characters do
    not count, nor do short words that stand in the model's name. Where the
    request's body is not at hand, all may be quoted.
    """
    try:
        said = _Secrets(_said_in(request.content), RUN)
    except httpx.RequestNotRead:
        return 0
    keys = (key.rpartition(" ")[2] for name in _KEYS for key in request.headers.get_list(name))
    key = _Secrets(keys, _RUN_OF_A_KEY)
    readings = [_Letters(enumerate(text))]
    if _ESCAPED.search(text):
        readings.append(_Letters(_unescaped_pieces(text)))
    named = _places_of(_model_in(request.content), text)
    found = (secrets.first_in(letters, named) for secrets in (said, key) for letters in readings)
    return min((place for place in found if place is not None), default=None)


class _Letters:
    """The letters and digits of a text that comes in pieces, with their places in it."""

    def __init__(self, pieces: Iterable[tuple[int, str]]) -> None:
        self.places: list[int] = []
        self.begins: list[bool] = []  # whether it begins a word; so does the end
        folded: list[str] = []
        begins = True
        for place, piece in pieces:
            letters = _folded(piece)
            begins = begins or not letters
            for letter in letters:
                folded.append(letter)
                self.places.append(place)
                self.begins.append(begins)
                begins = False
        self.begins.append(True)
        self.text = "".join(folded)


class _Secrets:
    """Texts that are quoted by `run` letters in a row, or by all where they have fewer."""

    def __init__(self, texts: Iterable[str], run: int) -> None:
        folded = {_folded(form) for text in texts for form in (text, _unescaped(text))}
        self._run = run
        self._long = "\n".join(text for text in folded if len(text) >= run)
        self._short = {text for text in folded if 0 < len(text) < run}

    def first_in(self, letters: _Letters, named: Container[int]) -> int | None:
        for at, place in enumerate(letters.places):
            run = letters.text[at : at + self._run]
            if len(run) == self._run and run in self._long:
                return place
            if letters.begins[at] and place not in named and self._holds_words(letters, at):
                return place
        return None

    def _holds_words(self, letters: _Letters, at: int) -> bool:
        return any(
            letters.text.startswith(words, at) and letters.begins[at + len(words)]
            for words in self._short
        )


def _model_in(body: bytes) -> str:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    model = said.get("model") if isinstance(said, dict) else None
    return model if isinstance(model, str) else ""


def _places_of(name: str, text: str) -> set[int]:
    if not name:
        return set()
    found = re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text)
    return {place for each in found for place in range(*each.span())}


def _said_in(body: bytes) -> Iterator[str]:
    try:
        waiting: list[Any] = [json.loads(body)]
    except (ValueError, RecursionError):
        yield body.decode("utf-8", "replace")
        return
    while waiting:
        match waiting.pop():
            case str() as text:
                yield text
            case list() as items:
                waiting.extend(items)
            case dict() as fields:
                waiting.extend(_private(fields))


def _private(fields: Mapping[str, Any]) -> Iterator[Any]:
    for name, value in fields.items():
        if name not in _NO_SECRETS or not isinstance(value, str):
            yield value


def _unescaped_pieces(text: str) -> Iterator[tuple[int, str]]:
    """Cut a text into characters, of which an escaped run is one, with their places."""
    at = 0
    for escaped in _ESCAPED.finditer(text):
        yield from enumerate(text[at : escaped.start()], at)
        yield escaped.start(), _meant(escaped)
        at = escaped.end()
    yield from enumerate(text[at:], at)


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(_meant, text)


def _meant(escaped: re.Match[str]) -> str:
    match escaped.lastgroup:
        case "entity":
            return html.unescape(escaped[0])
        case "utf_16":
            return _bytes_in(escaped[0]).decode("utf-16-be", "replace")
        case "utf_8":
            return _bytes_in(escaped[0]).decode("utf-8", "replace")
        case _:
            return ""


def _bytes_in(text: str) -> bytes:
    return bytes.fromhex("".join(_NUMBERS.findall(text)))


def _folded(text: str) -> str:
    return _SEPARATORS.sub("", unicodedata.normalize("NFKD", text).casefold())
