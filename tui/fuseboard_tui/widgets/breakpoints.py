"""Window sizes at which the layout changes; each gives the screen a class for the style sheet."""

from __future__ import annotations

MINIMUM_SIZE = (60, 18)
"""Columns and rows below which the board is replaced by a message."""

HORIZONTAL: list[tuple[int, str]] = [
    (0, "-too-narrow"),
    (MINIMUM_SIZE[0], "-narrow"),
    (100, "-normal"),
    (160, "-wide"),
]
VERTICAL: list[tuple[int, str]] = [
    (0, "-too-short"),
    (MINIMUM_SIZE[1], "-short"),
    (30, "-tall"),
    (44, "-high"),
]


def class_names(size: tuple[int, int]) -> list[str]:
    """Return the classes of a window's size, in columns and rows."""
    return [
        max(each for each in breakpoints if each[0] <= length)[1]
        for length, breakpoints in zip(size, (HORIZONTAL, VERTICAL), strict=True)
    ]
