"""Quantiles of a histogram."""

from __future__ import annotations

from collections.abc import Sequence


def quantile(share: float, buckets: Sequence[tuple[float, int]], count: int) -> float | None:
    """Return an estimate of a quantile; `None` if there are no values.

    The estimate is that of PromQL's `histogram_quantile()`: values are spread
    evenly within a bucket, and those above the last bound count as equal to it.

    Args:
        share: 0.95 for the 95th percentile.
        buckets: Upper bounds, ascending, each with the number of values up to it.
        count: The number of all values.
    """
    if count <= 0 or not buckets:
        return None
    rank = share * count
    below, reached = 0.0, 0
    for bound, at_most in buckets:
        if at_most >= rank and at_most > reached:
            return below + (bound - below) * (rank - reached) / (at_most - reached)
        below, reached = bound, at_most
    return below
