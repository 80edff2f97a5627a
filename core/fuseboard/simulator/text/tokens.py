"""Splitting a text into tokens, which joined are the text again."""

from __future__ import annotations

import re
import zlib

_TOKEN = re.compile(r"\s?\w{1,8}|\s?[^\w\s]|\s")
_LONGEST_TOKEN = 9  # characters
_VOCABULARY_SIZE = 128_256  # of Llama 3


def tokenize(text: str) -> list[str]:
    """Return the tokens of a text, each about as long as a model's."""
    return _TOKEN.findall(text)


def fit_context(text: str, context_length: int) -> str:
    """Return the end of a text, where it is too long for a context of so many tokens.

    The cost of what is made of the result does not depend on the length of the text.
    """
    return text[-context_length * _LONGEST_TOKEN :]


def truncate(text: str, tokens: int) -> str:
    """Return the beginning of a text, at most so many tokens."""
    beginning = text[: tokens * _LONGEST_TOKEN]
    found = tokenize(beginning)
    return text if len(found) <= tokens and beginning == text else "".join(found[:tokens])


def token_id(token: str) -> int:
    """Return the number of a token; it is always the same."""
    return zlib.crc32(token.encode("utf-8", "replace")) % _VOCABULARY_SIZE
