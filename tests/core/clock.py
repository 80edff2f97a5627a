"""A clock that only advances when a test advances it."""

from __future__ import annotations


class ManualClock:
    """A monotonic clock for a breaker, in seconds, that stands still between `advance()` calls."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds
