"""Finding in a text what the caller of a server had said to it."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import httpx

RUN = 16
"""How many letters and digits in a row, of what was sent, make a quotation."""
_RUN_OF_A_KEY = 8

# What says nothing of the question: a server may name it.
_NO_SECRETS = frozenset({"model", "name", "role", "type", "keep_alive", "format"})
_KEYS = ("Authorization", "Proxy-Authorization", "X-Api-Key", "Api-Key")

_ESCAPED = re.compile(
    r"(?:\\+u[0-9a-f]{4})+|(?:\\+x[0-9a-f]{2})+|(?:%[0-9a-f]{2})+|&#?\w{1,31};|\\+[abfnrtv]",
    re.IGNORECASE,
)
_HEXADECIMAL = re.compile(r"[\\%]+[ux]?([0-9a-f]+)", re.IGNORECASE)
_SEPARATORS = re.compile(r"[\W_]+")


def quotation_in(text: str, request: httpx.Request) -> int | None:
    """Find where a text begins to quote what a request said; `None` if nowhere.

    A quotation is `RUN` letters and digits in a row, half as many of a key
    that the request was sent with, or all of what is shorter, as words of its
    own. Case, blanks, punctuation and the usual ways to escape characters do
    not count. Where the request's body is not at hand, all may be quoted.
    """
    try:
        said = list(_said_in(request.content))
    except httpx.RequestNotRead:
        return 0
    keys = [key.rpartition(" ")[2] for name in _KEYS for key in request.headers.get_list(name)]
    where = _Folded(text)
    found = [where.first_run(said, RUN), where.first_run(keys, _RUN_OF_A_KEY)]
    return min((place for place in found if place is not None), default=None)


class _Folded:
    """The letters and digits of a text, each with its place there."""

    def __init__(self, text: str) -> None:
        self._letters = ""
        self._places: list[int] = []
        self._begins: list[bool] = []  # whether it begins a word
        begins = True
        for place, piece in _pieces(text):
            letters = _SEPARATORS.sub("", _fold(piece))
            begins = begins or not letters
            for letter in letters:
                self._letters += letter
                self._places.append(place)
                self._begins.append(begins)
                begins = False
        self._begins.append(True)

    def first_run(self, texts: Iterable[str], run: int) -> int | None:
        """Find the first place where `run` letters of a text begin, or all of a shorter one."""
        folded = [_SEPARATORS.sub("", _fold(_unescaped(text))) for text in texts]
        short = {text for text in folded if 0 < len(text) < run}
        long = "\n".join(text for text in folded if len(text) >= run)
        for at, place in enumerate(self._places):
            if self._holds(at, run, long) or (self._begins[at] and self._is_one_of(at, short)):
                return place
        return None

    def _holds(self, at: int, run: int, long: str) -> bool:
        return at + run <= len(self._letters) and self._letters[at : at + run] in long

    def _is_one_of(self, at: int, short: set[str]) -> bool:
        return any(
            self._letters.startswith(text, at) and self._begins[at + len(text)] for text in short
        )


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


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """Cut a text into characters, of which an escaped run is one."""
    at = 0
    for escaped in _ESCAPED.finditer(text):
        yield from enumerate(text[at : escaped.start()], at)
        yield escaped.start(), _meant(escaped)
        at = escaped.end()
    yield from enumerate(text[at:], at)


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(_meant, text)


def _meant(escaped: re.Match[str]) -> str:
    text = escaped[0]
    if text.startswith("&"):
        return html.unescape(text)
    numbers = "".join(_HEXADECIMAL.findall(text))
    if not numbers:
        return ""
    coding = "utf-16-be" if "u" in text.lower() else "utf-8"
    return bytes.fromhex(numbers).decode(coding, "replace")


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKD", text).casefold()
