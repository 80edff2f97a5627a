"""Drawing on a terminal that has no UTF-8: each character has one in ASCII that is as wide."""

from __future__ import annotations

import codecs
import os
import sys

ERRORS = "fuseboard-ascii"
"""The error handler for `str.encode()` that draws what the encoding lacks in ASCII."""

_C_LOCALES = ("C", "POSIX")
_COERCED = ("C.UTF-8", "C.utf8")  # what Python makes LC_CTYPE if the locale is C (PEP 538)

_REPLACEMENTS = {
    ord(character): drawn
    for drawn, characters in {
        "+": "╭╮╰╯┌┐└┘├┤┬┴┼▆",
        "-": "─━▔–—▄",
        "=": "═▅",
        "|": "│┃║▏▎▍▕",
        ">": "▌▋▊▉→▸▶",
        "<": "←◂◀",
        "^": "↑▲",
        "v": "↓▼✓",
        "#": "█■",
        "*": "▇▪",
        ":": "▃",
        ".": "▂·•",
        "_": "▁",
        "o": "●○",
        "%": "◐",
        "x": "×✗",
        "~": "…",
        "'": "‘’",
        '"': "“”",
    }.items()
    for character in characters
}


def terminal_encoding() -> str:
    """Return the encoding that the terminal shows, as the environment says.

    Python takes UTF-8 for granted in the locale C (PEP 538, PEP 540). A terminal
    whose locale was set to C has none, unless `PYTHONUTF8` or `PYTHONIOENCODING`
    says so.
    """
    stderr = sys.__stderr__
    encoding = codecs.lookup(stderr.encoding if stderr is not None else "utf-8").name
    if encoding == "utf-8" and _locale() in _C_LOCALES:
        forced = {"PYTHONUTF8", "PYTHONIOENCODING"} & set(os.environ)
        return encoding if forced else "ascii"
    return encoding


def _locale() -> str:
    """Return the locale of characters, as it was before Python changed it."""
    names = ["LC_ALL", "LC_CTYPE", "LANG"]
    if os.environ.get("LC_CTYPE") in _COERCED:
        names.remove("LC_CTYPE")
    return next((value for name in names if (value := os.environ.get(name))), "")


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    from rich.cells import cell_len

    drawn = error.object[error.start : error.end].translate(_REPLACEMENTS)
    return "".join(
        character if character.isascii() else "?" * cell_len(character) for character in drawn
    ), error.end


codecs.register_error(ERRORS, _replace)
