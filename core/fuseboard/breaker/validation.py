"""What the numbers of settings must be."""

from __future__ import annotations

LEAST_SECONDS, MOST_SECONDS = 1e-9, 1e9
"""Beyond these, arithmetic with clocks overflows sooner or later."""
MOST_COUNTED = 10_000_000
"""Calls that a window may hold; each takes a byte."""


def require_seconds(what: str, seconds: object) -> None:
    """Raise `TypeError` or `ValueError` unless this is a time from a nanosecond to 30 years."""
    if not isinstance(seconds, int | float):
        raise TypeError(f"{what} takes seconds, not {seconds!r}")
    if not seconds > 0:
        raise ValueError(f"{what} must be a positive number, not {seconds!r}")
    if not LEAST_SECONDS <= seconds <= MOST_SECONDS:
        raise ValueError(
            f"{what} must be from {LEAST_SECONDS:g} to {MOST_SECONDS:g} seconds, not {seconds!r}"
        )


def require_count(what: str, count: object) -> None:
    """Raise `TypeError` or `ValueError` unless this is a whole number of at least 1."""
    if not isinstance(count, int):
        raise TypeError(f"{what} takes a whole number, not {count!r}")
    if count < 1:
        raise ValueError(f"{what} must be at least 1, not {count}")
