"""Whether a stream keeps a pace, by what the server needed and not by who reads it."""

from __future__ import annotations

from collections import deque
from math import ceil

_LEAST_SECONDS = 10.0  # of a stretch that proves anything
_LEAST_TOKENS = 5


class SlowStreamDetector:
    """Watches the pace of one stream from its first piece on.

    It is too slow once any stretch of at least ten seconds and five tokens has
    had fewer tokens a second than `slowest`. Time that the reader takes for
    itself is not counted.

    Args:
        slowest: Tokens a second, more than 0.
    """

    def __init__(self, slowest: float) -> None:
        self._seconds = max(_LEAST_SECONDS, _LEAST_TOKENS / slowest)
        self._tokens = ceil(self._seconds * slowest)
        self._now = 0.0  # seconds that the server needed since then
        self._come: deque[tuple[float, int]] = deque()  # when how many came
        self._counted = 0

    @property
    def patience(self) -> float:
        """Seconds that the next piece may take."""
        enough = self._counted >= self._tokens
        since = self._come[0][0] if enough else 0.0
        return since + self._seconds - self._now

    def add(self, seconds: float, tokens: int) -> None:
        """Some tokens came, for which the server needed some seconds."""
        self._now += seconds
        self._come.append((self._now, tokens))
        self._counted += tokens
        # Where enough came after it, the stretch that begins there has kept the pace.
        while self._counted - self._come[0][1] >= self._tokens:
            self._counted -= self._come.popleft()[1]
