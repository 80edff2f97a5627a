"""Sanitising of text from models, servers, other processes and files.

What could command a terminal, hide in a text or reorder it is *unsafe*: control
characters of C0 and C1, formatting characters such as bidi overrides and tags,
variation selectors and invisible fillers, which may carry a hidden text, and
lone surrogates. Every text passes here on its way to a terminal: those on the
screen in `fuseboard_tui.text.safe_screen`, all others in `fuseboard_tui.cli.safe_streams`.
"""

from __future__ import annotations

import re

_MAX_LENGTH = 500  # characters

# The general categories Cc, Cf, Cs, Zl and Zp, and what is Default_Ignorable_Code_Point in Unicode.
_UNSAFE_RANGES = (
    "\x00-\x1f\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2"
    "\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"
)
_UNSAFE = re.compile(f"[{_UNSAFE_RANGES}]")
_UNSAFE_IN_LINES = re.compile(f"(?!\n)[{_UNSAFE_RANGES}]")
_BLANKS = frozenset("\t\n\r\v\f\x85\u2028\u2029")


def is_safe(text: str) -> bool:
    """Return whether a text has no unsafe character."""
    return _UNSAFE.search(text) is None


def sanitize(text: str, max_length: int = _MAX_LENGTH) -> str:
    """Return a text as one line without unsafe characters.

    White space other than blanks becomes a blank. Markup needs no escaping,
    because nothing on the screen is read as markup.

    Args:
        text: Any text.
        max_length: Characters; a longer text is cut and ends in an ellipsis.
    """
    shown = _UNSAFE.sub(_blank_or_nothing, text[: 2 * max_length])
    return shown if len(shown) <= max_length else shown[: max_length - 1] + "…"


def sanitize_lines(text: str) -> str:
    r"""Return a text of any length without unsafe characters other than `\n`."""
    return _UNSAFE_IN_LINES.sub(_blank_or_nothing, text)


def escape_json(text: str) -> str:
    r"""Return JSON on one line with its unsafe characters escaped, as in `\u202e`.

    The value stays the same. JSON has such characters in its strings only.
    """
    return _UNSAFE.sub(_json_escape, text)


def _blank_or_nothing(unsafe: re.Match[str]) -> str:
    return " " if unsafe[0] in _BLANKS else ""


def _json_escape(unsafe: re.Match[str]) -> str:
    code = ord(unsafe[0])
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
