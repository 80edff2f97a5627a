"""Trip policies that limit a share of the latest calls.

Names and defaults follow resilience4j: a policy does not trip before there are
`minimum_calls` in the window, and trips when the share reaches `rate`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from dataclasses import dataclass, field
from math import inf

from fuseboard.breaker.counters import Counters
from fuseboard.breaker.policies.base import Gauge, Meter, Trip, TripPolicy
from fuseboard.breaker.policies.windows import CountWindow, Window
from fuseboard.breaker.shares import format_share
from fuseboard.breaker.validation import NumberKind, check_numbers, number

_MINIMUM_CALLS = number(NumberKind.COUNT, "calls before the share counts")


@dataclass(frozen=True, slots=True)
class FailureRate(TripPolicy):
    """Trip when at least `rate` (0-1) of the calls in a window failed.

    Raises:
        TypeError, ValueError: If a setting is invalid.
    """

    rate: float = field(metadata=number(NumberKind.SHARE, "share of failed calls that opens it"))
    over: Window = CountWindow(100)
    minimum_calls: int = field(default=10, metadata=_MINIMUM_CALLS)

    def __post_init__(self) -> None:
        _check(self)

    def meter(self, counters: Counters) -> Meter:  # noqa: ARG002 (the meter has its own)
        """Return a new meter for the breaker that has these counters."""
        return _FailureMeter(self, "failure rate", "failed")


@dataclass(frozen=True, slots=True)
class SlowCallRate(TripPolicy):
    """Trip when at least `rate` (0-1) of the calls in a window took longer than `seconds`.

    Failed calls count, too. With `first_item` the time to the first item of a
    stream counts, because the time a model takes for a whole answer mostly
    depends on the answer's length. With `in_flight` a call counts as soon as
    it has taken `seconds`, not only when it ends, so that calls that hang open
    the breaker; each call costs a little more.

    Raises:
        TypeError, ValueError: If a setting is invalid.
    """

    seconds: float = field(metadata=number(NumberKind.SECONDS, "a call that takes longer is slow"))
    rate: float = field(metadata=number(NumberKind.SHARE, "share of slow calls that opens it"))
    over: Window = CountWindow(100)
    minimum_calls: int = field(default=10, metadata=_MINIMUM_CALLS)
    first_item: bool = False
    in_flight: bool = False

    def __post_init__(self) -> None:
        _check(self)

    def meter(self, counters: Counters) -> Meter:  # noqa: ARG002 (the meter has its own)
        """Return a new meter for the breaker that has these counters."""
        what = f"took longer than {self.seconds:g} s"
        name = "slow calls"
        if self.first_item:
            name, what = "slow first items", f"{what} to the first item"
        return (_InFlightMeter if self.in_flight else _SlowMeter)(self, name, what)


class _ShareMeter(Meter):
    """A meter of the share of hits among the calls of a window."""

    __slots__ = ("_count", "_minimum_calls", "_name", "_over", "_rate", "_what")

    counts_calls = True

    def __init__(self, policy: FailureRate | SlowCallRate, name: str, what: str) -> None:
        self._over = policy.over
        self._count = policy.over.count()
        self._rate = policy.rate
        self._minimum_calls = policy.minimum_calls
        self._name = name
        self._what = what  # the hits did, as in "failed"

    def trip(self, now: float) -> Trip | None:
        share = self._share(now)
        # A share of 0 never trips, however low the limit is.
        if share < self._rate or not self._count.hits:
            return None
        calls = self._over.describe(self._count.total)
        return Trip(f"{format_share(share)} of {calls} {self._what}", self._failures())

    def gauges(self, now: float) -> tuple[Gauge, ...]:
        return (Gauge(self._name, self._share(now), self._rate, ratio=True),)

    def clear(self) -> None:
        self._count.clear()

    def _share(self, now: float) -> float:
        """Return the share of hits, 0-1; 0 while there are too few calls."""
        self._count.slide(now)
        if self._count.total < self._minimum_calls:
            return 0.0
        return self._count.hits / self._count.total

    @abstractmethod
    def _failures(self) -> int:
        """Return how many of the hits were failures."""


class _FailureMeter(_ShareMeter):
    __slots__ = ()

    def count(self, now: float, started: float, *, failed: bool, first_item: float | None) -> None:  # noqa: ARG002
        self._count.add(now, hit=failed)

    def _failures(self) -> int:
        return self._count.hits


class _SlowMeter(_ShareMeter):
    __slots__ = ("_by_first_item", "_limit")

    def __init__(self, policy: SlowCallRate, name: str, what: str) -> None:
        super().__init__(policy, name, what)
        self._limit = policy.seconds
        self._by_first_item = policy.first_item

    def count(self, now: float, started: float, *, failed: bool, first_item: float | None) -> None:  # noqa: ARG002
        self._count.add(now, hit=self._slowness(now, started, first_item) > self._limit)

    def _slowness(self, now: float, started: float, first_item: float | None) -> float:
        """Return the seconds that the limit applies to."""
        return first_item if self._by_first_item and first_item is not None else now - started

    def _failures(self) -> int:
        return 0


class _InFlightMeter(_SlowMeter):
    """A meter that counts a call as slow as soon as it is, and not again when it ends."""

    __slots__ = ("_start_times",)

    tracks_in_flight = True

    def __init__(self, policy: SlowCallRate, name: str, what: str) -> None:
        super().__init__(policy, name, what)
        # The number of calls in flight that are not slow yet, by start time, the oldest first.
        self._start_times: Counter[float] = Counter()

    def begin(self, started: float) -> None:
        self._start_times[started] += 1

    def first_item(self, started: float) -> None:
        if self._by_first_item:
            self._stop_tracking(started)

    def next_deadline(self) -> float:
        return self._oldest() + self._limit

    def expire(self, now: float) -> None:
        while (oldest := self._oldest()) + self._limit <= now:
            for _ in range(self._start_times.pop(oldest, 0)):
                self._count.add(now, hit=True)

    def count(self, now: float, started: float, *, failed: bool, first_item: float | None) -> None:
        if self._in_time(now, started, first_item):
            self.discard(now, started, first_item)
            super().count(now, started, failed=failed, first_item=first_item)

    def discard(self, now: float, started: float, first_item: float | None) -> None:
        came = self._by_first_item and first_item is not None
        if not came and self._in_time(now, started, first_item):
            self._stop_tracking(started)

    def clear(self) -> None:
        super().clear()
        self._start_times.clear()

    def forget_calls_in_flight(self) -> None:
        self._start_times.clear()

    def _oldest(self) -> float:
        # Not `next(iter(...))`: a garbage collection between the two may end a call.
        for started in self._start_times:
            return started
        return inf

    def _in_time(self, now: float, started: float, first_item: float | None) -> bool:
        # Rounded as in `next_deadline()`, so that both agree on whether a call is slow.
        return started + self._slowness(now, started, first_item) < started + self._limit

    def _stop_tracking(self, started: float) -> None:
        if self._start_times[started] > 1:
            self._start_times[started] -= 1
        else:  # or it is not tracked, because an interrupt came before it was
            del self._start_times[started]


def _check(policy: FailureRate | SlowCallRate) -> None:
    check_numbers(policy)
    minimum, over = policy.minimum_calls, policy.over
    if not isinstance(over, Window):
        raise TypeError(f"over takes a window, such as CountWindow(100), not {over!r}")
    if isinstance(over, CountWindow) and minimum > over.calls:
        raise ValueError(f"minimum_calls is {minimum}, but the window holds {over.calls}")
