"""The sizes of a window at which a screen is laid out in another way; as classes in the styles."""

from __future__ import annotations

SMALLEST = (60, 18)
"""Columns and rows below which there is no room for everything."""

HORIZONTAL: list[tuple[int, str]] = [
    (0, "-too-narrow"),
    (SMALLEST[0], "-narrow"),
    (100, "-normal"),
    (160, "-wide"),
]
VERTICAL: list[tuple[int, str]] = [
    (0, "-too-short"),
    (SMALLEST[1], "-short"),
    (30, "-tall"),
    (44, "-high"),
]
