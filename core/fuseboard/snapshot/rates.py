"""Call rates and durations of each breaker over the last seconds, from its counters."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

from fuseboard.breaker.counters import Durations
from fuseboard.breaker.outcome import Verdict
from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard.snapshot.quantile import quantile
from fuseboard.snapshot.snapshot import BreakerRates

REMEMBERED_SECONDS = 120
"""How many seconds back the rates go."""
MEASURED_SECONDS = 60
"""How many seconds back the percentiles and the share of failures go."""

_Buckets = list[tuple[float, int]]


class RateTracker:
    """Derive rates and percentiles from counters that only grow, sampled once a second.

    Nothing is known of a breaker at first sight, however many calls it has had,
    because it cannot be told when they were. The same holds for a breaker that
    took another's name, which counters that have fallen give away.
    """

    def __init__(self) -> None:
        self._samples: dict[str, _BreakerSamples] = {}
        self._published: Mapping[str, BreakerRates] = {}

    def sample(self, breakers: Iterable[BreakerSnapshot], seconds: float) -> None:
        """Read the counters, `seconds` after the previous call. Belongs to one thread.

        Breakers that are missing are forgotten. What was counted in several
        seconds, as after a stop of the process, is spread over them.
        """
        before, self._samples = self._samples, {}
        for breaker in breakers:
            samples = before.get(breaker.name)
            if samples is None or not samples.add(breaker, seconds):
                samples = _BreakerSamples(breaker)
            self._samples[breaker.name] = samples
        self._published = {name: samples.rates() for name, samples in self._samples.items()}

    def by_breaker(self) -> Mapping[str, BreakerRates]:
        """Return the rates of each breaker by its name; may be called from any thread."""
        return self._published


class _BreakerSamples:
    """The latest samples of one breaker's counters, the first of which is where they began."""

    def __init__(self, breaker: BreakerSnapshot) -> None:
        self._age = sum(breaker.state_seconds.values())
        self._rates: deque[tuple[float, ...]] = deque(maxlen=REMEMBERED_SECONDS)
        self._durations = deque([_merge_durations(breaker.durations)], maxlen=MEASURED_SECONDS + 1)
        self._counts = deque([_counts(breaker)], maxlen=MEASURED_SECONDS + 1)

    def add(self, breaker: BreakerSnapshot, seconds: float) -> bool:
        """Add a sample; return `False` if it is not of the same breaker."""
        counts = _counts(breaker)
        durations = _merge_durations(breaker.durations)
        age = sum(breaker.state_seconds.values())
        increments = [now - before for now, before in zip(counts, self._counts[-1], strict=True)]
        (buckets, count), (earlier, count_before) = durations, self._durations[-1]
        # A breaker's age is a sum whose parts are rounded.
        is_other = age < self._age * (1 - 1e-9) or min(increments) < 0 or count < count_before
        if is_other or [bound for bound, _ in buckets] != [bound for bound, _ in earlier]:
            return False
        self._age = age
        rates = tuple(increment / seconds for increment in increments)
        missed = min(max(round(seconds), 1), REMEMBERED_SECONDS) - 1
        self._rates.extend([rates] * (missed + 1))
        self._counts.extend([self._counts[-1]] * missed)
        self._durations.extend([self._durations[-1]] * missed)
        self._counts.append(counts)
        self._durations.append(durations)
        return True

    def rates(self) -> BreakerRates:
        success, failure, rejected, ignored = (
            zip(*self._rates, strict=True) if self._rates else ((), (), (), ())
        )
        (before, count_before), (now, count) = self._durations[0], self._durations[-1]
        buckets = [
            (bound, at_most - earlier)
            for (bound, at_most), (_, earlier) in zip(now, before, strict=True)
        ]
        p50, p95, p99 = (
            quantile(share, buckets, count - count_before) for share in (0.5, 0.95, 0.99)
        )
        return BreakerRates(
            success, failure, rejected, ignored, p50, p95, p99, self._failed_share()
        )

    def _failed_share(self) -> float | None:
        """Return the share of failures among calls; rates would weigh unequal seconds alike."""
        (successes, failures, *_), (earlier_successes, earlier_failures, *_) = (
            self._counts[-1],
            self._counts[0],
        )
        failed = failures - earlier_failures
        settled = failed + successes - earlier_successes
        return failed / settled if settled else None


def _counts(breaker: BreakerSnapshot) -> tuple[int, int, int, int]:
    calls = breaker.calls
    return calls.success, calls.failure, calls.rejected, calls.ignored


def _merge_durations(durations: Mapping[Verdict, Durations]) -> tuple[_Buckets, int]:
    """Return the cumulative buckets and the count of successful and failed calls together."""
    settled = [durations[verdict] for verdict in (Verdict.SUCCESS, Verdict.FAILURE)]
    columns = zip(*(histogram.buckets for histogram in settled), strict=True)
    buckets = [(column[0][0], sum(at_most for _, at_most in column)) for column in columns]
    return buckets, sum(histogram.count for histogram in settled)
