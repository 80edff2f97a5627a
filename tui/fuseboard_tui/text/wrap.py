"""Fitting of text to a width in cells; a CJK character takes two."""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from fuseboard_tui.text.sanitize import sanitize


def wrap_text(text: str, width: int) -> Iterator[str]:
    """Yield the lines of a text, sanitised, each at most `width` cells wide."""
    for line in text.split("\n"):
        content = Content(sanitize(line, len(line)))
        yield from (part.plain for part in content.wrap(max(width, 1)))


def fit_text(text: str, width: int) -> str:
    """Return a text, sanitised and padded or cut to exactly `width` cells."""
    shown = sanitize(text)
    if cell_len(shown) <= width:
        return set_cell_size(shown, width)
    return set_cell_size(shown, width - 1) + "…"
