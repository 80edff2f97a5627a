"""What the numbers of settings must be."""

from __future__ import annotations

from math import inf


def require_seconds(what: str, seconds: object) -> None:
    """Raise `TypeError` or `ValueError` unless this is a number above 0."""
    if not isinstance(seconds, int | float):
        raise TypeError(f"{what} takes seconds, not {seconds!r}")
    if not 0 < seconds < inf:
        raise ValueError(f"{what} must be a positive number, not {seconds!r}")


def require_count(what: str, count: object) -> None:
    """Raise `TypeError` or `ValueError` unless this is a whole number of at least 1."""
    if not isinstance(count, int):
        raise TypeError(f"{what} takes a whole number, not {count!r}")
    if count < 1:
        raise ValueError(f"{what} must be at least 1, not {count}")
