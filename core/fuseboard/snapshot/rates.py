"""What each breaker did in the last seconds: calls a second, and how long they took."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

from fuseboard.breaker.counters import Durations
from fuseboard.breaker.outcome import Verdict
from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard.snapshot.quantile import quantile
from fuseboard.snapshot.snapshot import BreakerRates

REMEMBERED_SECONDS = 120
MEASURED_SECONDS = 60
"""How far back the percentiles and the share of failures look."""

_Buckets = list[tuple[float, int]]


class RateTracker:
    """Turns counters that only grow into rates and percentiles; sampled once a second."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}
        self._published: Mapping[str, BreakerRates] = {}

    def sample(self, breakers: Iterable[BreakerSnapshot], seconds: float) -> None:
        """Take the counters, `seconds` after the last time."""
        for breaker in breakers:
            self._seen.setdefault(breaker.name, _Seen()).take(breaker, seconds)
        self._published = {name: seen.activity() for name, seen in self._seen.items()}

    def by_breaker(self) -> Mapping[str, BreakerRates]:
        """Give the activity by breaker; may be called from any thread."""
        return self._published


class _Seen:
    """What was seen of one breaker."""

    def __init__(self) -> None:
        self._rates: deque[tuple[float, ...]] = deque(maxlen=REMEMBERED_SECONDS)
        self._durations: deque[tuple[_Buckets, int]] = deque([([], 0)], maxlen=MEASURED_SECONDS + 1)
        self._counts = deque([(0, 0, 0, 0)], maxlen=MEASURED_SECONDS + 1)

    def take(self, breaker: BreakerSnapshot, seconds: float) -> None:
        calls = breaker.calls
        counts = calls.success, calls.failure, calls.rejected, calls.ignored
        grown = zip(counts, self._counts[-1], strict=True)
        self._rates.append(tuple((now - before) / seconds for now, before in grown))
        self._counts.append(counts)
        self._durations.append(_all_durations(breaker.durations))

    def activity(self) -> BreakerRates:
        success, failure, rejected, ignored = zip(*self._rates, strict=True)
        (before, count_before), (now, count) = self._durations[0], self._durations[-1]
        earlier = dict(before)
        buckets = [(bound, at_most - earlier.get(bound, 0)) for bound, at_most in now]
        p50, p95, p99 = (
            quantile(share, buckets, count - count_before) for share in (0.5, 0.95, 0.99)
        )
        return BreakerRates(
            success, failure, rejected, ignored, p50, p95, p99, self._failed_share()
        )

    def _failed_share(self) -> float | None:
        """Give it of the calls themselves: seconds that are not of one length weigh not alike."""
        (successes, failures, *_), (then_successes, then_failures, *_) = (
            self._counts[-1],
            self._counts[0],
        )
        failed = failures - then_failures
        answered = failed + successes - then_successes
        return failed / answered if answered else None


def _all_durations(durations: Mapping[Verdict, Durations]) -> tuple[_Buckets, int]:
    """Put the histograms of answered calls together, whatever became of them."""
    answered = [durations[verdict] for verdict in (Verdict.SUCCESS, Verdict.FAILURE)]
    columns = zip(*(histogram.buckets for histogram in answered), strict=True)
    buckets = [(column[0][0], sum(at_most for _, at_most in column)) for column in columns]
    return buckets, sum(histogram.count for histogram in answered)
