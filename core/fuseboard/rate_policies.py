"""Trip policies that look at a share of the latest calls.

The names and defaults follow resilience4j: nothing is said before there are
`minimum_calls` in the window, and the limit itself trips.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fuseboard.series import Series
from fuseboard.trip_policy import Gauge, Meter, Trip, TripPolicy
from fuseboard.window import CountWindow, Window


@dataclass(frozen=True, slots=True)
class FailureRate(TripPolicy):
    """Trips when at least `rate` (0-1) of the calls in a window failed.

    Raises `ValueError` if a setting makes no sense.
    """

    rate: float
    over: Window = CountWindow(100)
    minimum_calls: int = 10

    def __post_init__(self) -> None:
        _check(self.rate, self.over, self.minimum_calls)

    def meter(self, series: Series) -> Meter:  # noqa: ARG002 (it counts for itself)
        """Make the meter that the breaker of these series counts with."""
        return _ShareMeter(
            "failure rate",
            f"of {self.over} failed",
            self,
            is_hit=lambda failed, _seconds, _first_item: failed,
            hits_are_failures=True,
        )


@dataclass(frozen=True, slots=True)
class SlowCallRate(TripPolicy):
    """Trips when at least `rate` (0-1) of the calls in a window took longer than `seconds`.

    With `first_item` it is the time to the first item of a stream that counts:
    how long the whole answer of a model takes says mostly how long it is.
    Calls that failed slowly are slow calls too.

    Raises `ValueError` if a setting makes no sense.
    """

    seconds: float
    rate: float
    over: Window = CountWindow(100)
    minimum_calls: int = 10
    first_item: bool = False

    def __post_init__(self) -> None:
        _check(self.rate, self.over, self.minimum_calls)
        if not 0 < self.seconds < float("inf"):
            raise ValueError(f"seconds must be a positive number, not {self.seconds!r}")

    def meter(self, series: Series) -> Meter:  # noqa: ARG002 (it counts for itself)
        """Make the meter that the breaker of these series counts with."""
        limit = self.seconds
        if self.first_item:
            return _ShareMeter(
                "slow first items",
                f"of {self.over} took longer than {limit:g} s to the first item",
                self,
                is_hit=lambda _failed, _seconds, first_item: first_item > limit,
            )
        return _ShareMeter(
            "slow calls",
            f"of {self.over} took longer than {limit:g} s",
            self,
            is_hit=lambda _failed, seconds, _first_item: seconds > limit,
        )


class _ShareMeter(Meter):
    __slots__ = (
        "_count",
        "_hits_are_failures",
        "_is_hit",
        "_minimum_calls",
        "_name",
        "_rate",
        "_words",
    )

    counts_calls = True

    def __init__(
        self,
        name: str,
        words: str,
        policy: FailureRate | SlowCallRate,
        *,
        is_hit: Callable[[bool, float, float], bool],
        hits_are_failures: bool = False,
    ) -> None:
        self._name = name
        self._words = words
        self._rate = policy.rate
        self._minimum_calls = policy.minimum_calls
        self._count = policy.over.count()
        self._is_hit = is_hit
        self._hits_are_failures = hits_are_failures

    def count(self, now: float, *, failed: bool, seconds: float, first_item: float) -> None:
        self._count.add(now, hit=self._is_hit(failed, seconds, first_item))

    def trip(self, now: float) -> Trip | None:
        share = self._share(now)
        # Without a hit nothing is wrong, however low the limit is.
        if share < self._rate or not self._count.hits:
            return None
        failures = self._count.hits if self._hits_are_failures else 0
        return Trip(f"{share:.0%} {self._words}", failures)

    def gauges(self, now: float) -> tuple[Gauge, ...]:
        return (Gauge(self._name, self._share(now), self._rate, ratio=True),)

    def clear(self) -> None:
        self._count.clear()

    def _share(self, now: float) -> float:
        """The share of hits, 0-1; 0 while there are too few calls to say."""
        self._count.slide(now)
        if self._count.total < self._minimum_calls:
            return 0.0
        return self._count.hits / self._count.total


def _check(rate: float, over: Window, minimum_calls: int) -> None:
    if not 0 < rate <= 1:
        raise ValueError(f"rate must be above 0 and at most 1, not {rate!r}")
    if minimum_calls < 1:
        raise ValueError(f"minimum_calls must be at least 1, not {minimum_calls}")
    if isinstance(over, CountWindow) and minimum_calls > over.calls:
        raise ValueError(f"minimum_calls is {minimum_calls}, but the window holds {over.calls}")
