"""How long a breaker stays open, the longer the more often it fails to recover."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf, log

from fuseboard.breaker.validation import require_seconds


@dataclass(frozen=True, slots=True)
class Backoff:
    """A recovery timeout that grows with every opening until the breaker has been closed again.

    Jitter only shortens, so that `cap` holds and a crowd of clients that
    tripped together spreads out even there.

    Raises `ValueError` if a setting makes no sense.
    """

    initial: float
    """Seconds of the first opening."""
    multiplier: float = 2.0
    """How much longer the next one is."""
    cap: float = 300.0
    """Seconds; the longest opening."""
    jitter: float = 0.1
    """How much of an opening chance may take away, 0-1."""

    def __post_init__(self) -> None:
        require_seconds("initial", self.initial)
        require_seconds("cap", self.cap)
        if not 1 <= self.multiplier < inf:
            raise ValueError(f"multiplier must be at least 1, not {self.multiplier!r}")
        if not self.initial <= self.cap:
            raise ValueError(f"cap must be at least initial ({self.initial:g}), not {self.cap!r}")
        if not 0 <= self.jitter < 1:
            raise ValueError(f"jitter must be at least 0 and less than 1, not {self.jitter!r}")

    def seconds(self, opening: int, draw: float) -> float:
        """Say how long an opening lasts.

        `opening` is 1 for the first since the breaker was closed; `draw` is
        what chance says, 0-1.
        """
        growths = opening - 1
        if self.multiplier > 1:  # beyond the cap the power would only overflow
            growths = min(growths, ceil(log(self.cap / self.initial, self.multiplier)))
        longest = min(self.cap, self.initial * self.multiplier**growths)
        return longest * (1 - self.jitter * draw)
