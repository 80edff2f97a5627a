"""The panel of traffic, connection pools, caches and the cache warmer."""

from __future__ import annotations

from collections.abc import Iterator

from fuseboard.breaker.durations import format_duration
from fuseboard.breaker.shares import format_share
from fuseboard.breaker.snapshot import CacheSnapshot, PoolSnapshot
from fuseboard.snapshot.quantile import quantile
from fuseboard.snapshot.snapshot import Snapshot, TrafficSnapshot
from fuseboard_tui.text.charts import bar
from fuseboard_tui.text.sanitize import sanitize
from fuseboard_tui.widgets.header_line import format_rate
from fuseboard_tui.widgets.lines import Line, ScrollableLines, Span

_BAR_WIDTH = 8
_NAME_WIDTH = 8


class ResourcePanel(ScrollableLines):
    """Draw a row for the traffic, each connection pool and each cache."""

    def show(self, snapshot: Snapshot) -> None:
        """Draw a snapshot."""
        self.draw_rows(list(_lines(snapshot)) or [((" none yet", "quiet"),)])


def _lines(snapshot: Snapshot) -> Iterator[Line]:
    if snapshot.traffic is not None:
        yield _row("traffic", _traffic(snapshot.traffic))
    for pool in snapshot.pools:
        style = "alarm" if pool.utilization >= 1 else "plain"
        yield _row("pool", *_bar(pool.utilization, style), _pool(pool))
    for cache in snapshot.caches:
        yield _row("cache", *_bar(cache.hit_rate, "state--closed"), _cache(cache))
    if snapshot.warming is not None and not snapshot.warming.ended:
        warming = snapshot.warming
        waits = f", waits for {sanitize(warming.waiting_for, 30)}" if warming.waiting_for else ""
        yield _row("warming", f"{warming.done}/{warming.total}{waits}")


def _row(name: str, *spans: Span) -> Line:
    return (f" {name:<{_NAME_WIDTH}}", "quiet"), *spans


def _bar(share: float, style: str) -> Line:
    return "▕", (bar(share, _BAR_WIDTH), style), "▏ "


def _traffic(traffic: TrafficSnapshot) -> str:
    rate = format_rate(traffic) if traffic.running else "off"
    skipped = f", {traffic.skipped:,} skipped" if traffic.skipped else ""
    return f"{traffic.kind.value} {rate}, {traffic.in_flight} in flight{skipped}"


def _pool(pool: PoolSnapshot) -> str:
    waited = quantile(0.95, pool.waits.buckets, pool.waits.count)
    waits = f", p95 wait {format_duration(waited)}" if waited is not None and waited >= 0.01 else ""
    return f"{pool.active}/{pool.maximum} in use{waits}"


def _cache(cache: CacheSnapshot) -> str:
    return f"{format_share(cache.hit_rate)} hits, {cache.entries:,} kept"
