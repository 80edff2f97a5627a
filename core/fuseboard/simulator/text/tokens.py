"""Splitting a text into tokens, which joined are the text again."""

from __future__ import annotations

import re
import zlib

_TOKEN = re.compile(r"\s?\w{1,8}|\s?[^\w\s]|\s")
_VOCABULARY_SIZE = 128_256  # of Llama 3


def tokenize(text: str) -> list[str]:
    """Return the tokens of a text, each about as long as a model's."""
    return _TOKEN.findall(text)


def token_id(token: str) -> int:
    """Return the number of a token; it is always the same."""
    return zlib.crc32(token.encode("utf-8", "replace")) % _VOCABULARY_SIZE
