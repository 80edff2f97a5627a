"""Recovery timeouts that grow while a breaker fails to recover."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, log

from fuseboard.breaker.validation import NumberKind, check_numbers, number


@dataclass(frozen=True, slots=True)
class Backoff:
    """A recovery timeout that grows with every opening until the breaker has closed again.

    Jitter only shortens an opening: `cap` holds, and clients whose breakers
    opened together do not all retry at the same moment, even at the cap.

    Raises:
        TypeError, ValueError: If a setting is invalid.
    """

    initial: float = field(metadata=number(NumberKind.SECONDS, "the first opening"))
    multiplier: float = field(
        default=2.0, metadata=number(NumberKind.FACTOR, "how much longer the next one is")
    )
    cap: float = field(default=300.0, metadata=number(NumberKind.SECONDS, "the longest opening"))
    jitter: float = field(
        default=0.1, metadata=number(NumberKind.JITTER, "what chance may take off an opening")
    )

    def __post_init__(self) -> None:
        check_numbers(self)
        if not self.initial <= self.cap:
            raise ValueError(f"cap must be at least initial ({self.initial:g}), not {self.cap!r}")

    def seconds(self, opening: int, draw: float) -> float:
        """Return the length of an opening in seconds.

        `opening` is 1 for the first since the breaker was closed; `draw` is a
        random number from 0 to 1.
        """
        growths = opening - 1
        if self.multiplier > 1:  # beyond the cap the power would only overflow
            growths = min(growths, ceil(log(self.cap / self.initial, self.multiplier)))
        longest = min(self.cap, self.initial * self.multiplier**growths)
        return longest * (1 - self.jitter * draw)
