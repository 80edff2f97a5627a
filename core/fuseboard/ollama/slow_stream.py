"""Detecting a stream whose token rate is too low, independent of how fast it is read."""

from __future__ import annotations

from collections import deque
from math import ceil

_MIN_SECONDS = 10.0  # of the window; less proves nothing
_MIN_TOKENS = 5


class SlowStreamDetector:
    """A sliding window over the tokens of one stream, from its first chunk on.

    The stream is too slow once a window of at least ten seconds, and long
    enough for five tokens, has had fewer than `min_rate` tokens a second.
    Time that the reader spends between two chunks is not counted.

    Args:
        min_rate: Tokens a second, more than 0.
    """

    def __init__(self, min_rate: float) -> None:
        self._window_seconds = max(_MIN_SECONDS, _MIN_TOKENS / min_rate)
        self._window_tokens = ceil(self._window_seconds * min_rate)
        self._now = 0.0  # seconds spent waiting for the server
        self._arrivals: deque[tuple[float, int]] = deque()  # time and number of tokens
        self._arrived = 0  # tokens in `_arrivals`

    @property
    def max_wait(self) -> float:
        """Seconds that the next chunk may take before the stream is too slow."""
        full = self._arrived >= self._window_tokens
        window_start = self._arrivals[0][0] if full else 0.0
        return window_start + self._window_seconds - self._now

    def add(self, seconds: float, tokens: int) -> None:
        """Record the arrival of `tokens` after waiting `seconds` for the server."""
        self._now += seconds
        self._arrivals.append((self._now, tokens))
        self._arrived += tokens
        # An arrival followed by enough tokens cannot start a window that is too slow.
        while self._arrived - self._arrivals[0][1] >= self._window_tokens:
            self._arrived -= self._arrivals.popleft()[1]
