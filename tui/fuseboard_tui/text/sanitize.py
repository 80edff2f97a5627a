"""Text from models, servers and files, made harmless where it enters the screen."""

from __future__ import annotations

import unicodedata

_LONGEST = 500  # characters


def sanitize(text: str, longest: int = _LONGEST) -> str:
    """Make a text safe to draw as it is: no control or invisible formatting characters, one line.

    Markup is no concern here: nothing on the screen is ever read as markup.
    """
    if len(text) <= longest and text.isprintable():
        return text
    shown = "".join(
        " " if character in "\t\n\r\v\f\x85\u2028\u2029" else character
        for character in text[: 2 * longest]
        if character in "\t\n\r\v\f\x85\u2028\u2029" or _is_visible(character)
    )
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def _is_visible(character: str) -> bool:
    # Cc: C0, DEL, C1; Cf: bidi overrides and the like; Cs: lone surrogates.
    return unicodedata.category(character) not in {"Cc", "Cf", "Cs"}
