"""Sanitising of text from models, servers, other processes and files."""

from __future__ import annotations

import unicodedata

_MAX_LENGTH = 500  # characters


def sanitize(text: str, max_length: int = _MAX_LENGTH) -> str:
    """Return a text as one line without control or invisible formatting characters.

    White space other than blanks becomes a blank. Markup needs no escaping,
    because nothing on the screen is read as markup.

    Args:
        text: Any text.
        max_length: Characters; a longer text is cut and ends in an ellipsis.
    """
    if len(text) <= max_length and text.isprintable():
        return text
    shown = "".join(
        " " if character in "\t\n\r\v\f\x85\u2028\u2029" else character
        for character in text[: 2 * max_length]
        if character in "\t\n\r\v\f\x85\u2028\u2029" or _is_visible(character)
    )
    return shown if len(shown) <= max_length else shown[: max_length - 1] + "…"


def _is_visible(character: str) -> bool:
    # Cc: C0, DEL, C1; Cf: bidi overrides and the like; Cs: lone surrogates.
    return unicodedata.category(character) not in {"Cc", "Cf", "Cs"}
