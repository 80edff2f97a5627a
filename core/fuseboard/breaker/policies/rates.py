"""Trip policies that look at a share of the latest calls.

The names and defaults follow resilience4j: nothing is said before there are
`minimum_calls` in the window, and the limit itself trips.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from dataclasses import dataclass
from math import inf

from fuseboard.breaker.counters import Counters
from fuseboard.breaker.policies.base import Gauge, Meter, Trip, TripPolicy
from fuseboard.breaker.policies.windows import CountWindow, Window
from fuseboard.breaker.validation import require_count, require_seconds


@dataclass(frozen=True, slots=True)
class FailureRate(TripPolicy):
    """Trips when at least `rate` (0-1) of the calls in a window failed.

    Raises `TypeError` or `ValueError` if a setting makes no sense.
    """

    rate: float
    over: Window = CountWindow(100)
    minimum_calls: int = 10

    def __post_init__(self) -> None:
        _check(self.rate, self.over, self.minimum_calls)

    def meter(self, series: Counters) -> Meter:  # noqa: ARG002 (it counts for itself)
        """Make the meter that the breaker of these series counts with."""
        return _FailureMeter(self, "failure rate", f"of {self.over} failed")


@dataclass(frozen=True, slots=True)
class SlowCallRate(TripPolicy):
    """Trips when at least `rate` (0-1) of the calls in a window took longer than `seconds`.

    With `first_item` it is the time to the first item of a stream that counts:
    how long the whole answer of a model takes says mostly how long it is.
    Calls that failed slowly are slow calls too. With `in_flight` a call counts
    as soon as it has been under way for so long, not only when it ends, so that
    a pile of hanging calls opens the breaker; each call costs a little more.

    Raises `TypeError` or `ValueError` if a setting makes no sense.
    """

    seconds: float
    rate: float
    over: Window = CountWindow(100)
    minimum_calls: int = 10
    first_item: bool = False
    in_flight: bool = False

    def __post_init__(self) -> None:
        _check(self.rate, self.over, self.minimum_calls)
        require_seconds("seconds", self.seconds)

    def meter(self, series: Counters) -> Meter:  # noqa: ARG002 (it counts for itself)
        """Make the meter that the breaker of these series counts with."""
        words = f"of {self.over} took longer than {self.seconds:g} s"
        name = "slow calls"
        if self.first_item:
            name, words = "slow first items", f"{words} to the first item"
        return (_InFlightMeter if self.in_flight else _SlowMeter)(self, name, words)


class _ShareMeter(Meter):
    """The share of hits among the calls of a window."""

    __slots__ = ("_count", "_minimum_calls", "_name", "_rate", "_words")

    counts_calls = True

    def __init__(self, policy: FailureRate | SlowCallRate, name: str, words: str) -> None:
        self._count = policy.over.count()
        self._rate = policy.rate
        self._minimum_calls = policy.minimum_calls
        self._name = name
        self._words = words

    def trip(self, now: float) -> Trip | None:
        share = self._share(now)
        # Without a hit nothing is wrong, however low the limit is.
        if share < self._rate or not self._count.hits:
            return None
        return Trip(f"{share:.0%} {self._words}", self._failures())

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

    @abstractmethod
    def _failures(self) -> int:
        """How many of the hits were failures."""


class _FailureMeter(_ShareMeter):
    __slots__ = ()

    def count(self, now: float, started: float, *, failed: bool, first_item: float | None) -> None:  # noqa: ARG002
        self._count.add(now, hit=failed)

    def _failures(self) -> int:
        return self._count.hits


class _SlowMeter(_ShareMeter):
    __slots__ = ("_by_first_item", "_limit")

    def __init__(self, policy: SlowCallRate, name: str, words: str) -> None:
        super().__init__(policy, name, words)
        self._limit = policy.seconds
        self._by_first_item = policy.first_item

    def count(self, now: float, started: float, *, failed: bool, first_item: float | None) -> None:  # noqa: ARG002
        self._count.add(now, hit=self._slowness(now, started, first_item) > self._limit)

    def _slowness(self, now: float, started: float, first_item: float | None) -> float:
        """Seconds that count."""
        return first_item if self._by_first_item and first_item is not None else now - started

    def _failures(self) -> int:
        return 0


class _InFlightMeter(_SlowMeter):
    """Counts a call as slow as soon as it is, and then not again when it ends."""

    __slots__ = ("_waiting",)

    watches_calls = True

    def __init__(self, policy: SlowCallRate, name: str, words: str) -> None:
        super().__init__(policy, name, words)
        # How many calls that are not slow yet began when; the oldest first.
        self._waiting: Counter[float] = Counter()

    def begin(self, started: float) -> None:
        self._waiting[started] += 1

    def first_item(self, started: float) -> None:
        if self._by_first_item:
            self._take_out(started)

    def due(self) -> float:
        return self._oldest() + self._limit

    def lapse(self, now: float) -> None:
        while (oldest := self._oldest()) + self._limit <= now:
            for _ in range(self._waiting.pop(oldest, 0)):
                self._count.add(now, hit=True)

    def count(self, now: float, started: float, *, failed: bool, first_item: float | None) -> None:
        if self._in_time(now, started, first_item):
            self.let_go(now, started, first_item)
            super().count(now, started, failed=failed, first_item=first_item)

    def let_go(self, now: float, started: float, first_item: float | None) -> None:
        came = self._by_first_item and first_item is not None
        if not came and self._in_time(now, started, first_item):
            self._take_out(started)

    def clear(self) -> None:
        super().clear()
        self._waiting.clear()

    def _oldest(self) -> float:
        # Not `next(iter(...))`: garbage that is collected between the two may end a call.
        for started in self._waiting:
            return started
        return inf

    def _in_time(self, now: float, started: float, first_item: float | None) -> bool:
        # Rounded as `due()` is, so that no call is slow for one of the two only.
        return started + self._slowness(now, started, first_item) < started + self._limit

    def _take_out(self, started: float) -> None:
        if self._waiting[started] > 1:
            self._waiting[started] -= 1
        else:
            del self._waiting[started]


def _check(rate: float, over: Window, minimum_calls: int) -> None:
    if not 0 < rate <= 1:
        raise ValueError(f"rate must be above 0 and at most 1, not {rate!r}")
    require_count("minimum_calls", minimum_calls)
    if isinstance(over, CountWindow) and minimum_calls > over.calls:
        raise ValueError(f"minimum_calls is {minimum_calls}, but the window holds {over.calls}")
