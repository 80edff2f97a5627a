"""The passages that answers are looked for in."""

from __future__ import annotations

from importlib import resources


def read_corpus() -> tuple[str, ...]:
    """Read the passages of `corpus.md`: its paragraphs, each in one line, without the headings."""
    written = resources.files(__package__).joinpath("corpus.md").read_text(encoding="utf-8")
    paragraphs = (" ".join(paragraph.split()) for paragraph in written.split("\n\n"))
    return tuple(paragraph for paragraph in paragraphs if not paragraph.startswith("#"))
