"""Shares as text."""

from __future__ import annotations


def format_share(share: float) -> str:
    """Return a share as a percentage: `0%` and `100%` mean none and all, and nothing else.

    What would be rounded to one of them is `<1%` or `>99%`.
    """
    text = f"{share:.0%}"
    if text == "0%" and share > 0:
        return "<1%"
    if text == "100%" and share < 1:
        return ">99%"
    return text
