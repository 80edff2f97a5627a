"""A clock that only a test moves."""

from __future__ import annotations


class ManualClock:
    """Gives the time it was set to; as a breaker's clock it never goes by itself."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds
