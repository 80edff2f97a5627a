"""Durations as a clock shows them."""

from __future__ import annotations


def format_clock_time(seconds: float) -> str:
    """Return a duration as hours, minutes and seconds, such as `1:05:00`."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}"
