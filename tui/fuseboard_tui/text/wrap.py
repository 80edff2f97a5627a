"""Text folded to the width that there is for it."""

from __future__ import annotations

from collections.abc import Iterator

from textual.content import Content

from fuseboard_tui.text.sanitize import sanitize


def wrap_text(text: str, width: int) -> Iterator[str]:
    """Give the lines of a text, harmless, each at most `width` cells wide."""
    for line in text.split("\n"):
        content = Content(sanitize(line, len(line)))
        yield from (part.plain for part in content.wrap(max(width, 1)))
