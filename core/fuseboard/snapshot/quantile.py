"""Quantiles of what a histogram has counted."""

from __future__ import annotations

from collections.abc import Sequence


def quantile(share: float, buckets: Sequence[tuple[float, int]], count: int) -> float | None:
    """Estimate below what value a share (0-1) of all values lies; `None` if there are none.

    As PromQL's `histogram_quantile()`: values lie evenly within a bucket, and
    those above the last bound lie at it.

    Args:
        share: 0.95 for the 95th percentile.
        buckets: Upper bound and how many values are at most that, the bounds ascending.
        count: How many values there are in all.
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
