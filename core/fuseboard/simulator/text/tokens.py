"""Cutting text into tokens; put together they are the text again."""

from __future__ import annotations

import re
import zlib

_TOKEN = re.compile(r"\s?\w{1,8}|\s?[^\w\s]|\s")
_VOCABULARY = 128_256  # how many tokens Llama 3 knows


def tokens_of(text: str) -> list[str]:
    """Cut a text into pieces of about the size of a model's tokens."""
    return _TOKEN.findall(text)


def token_number(token: str) -> int:
    """Give a token its number, always the same one."""
    return zlib.crc32(token.encode("utf-8", "replace")) % _VOCABULARY
