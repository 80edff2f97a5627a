"""What the calls draw on: traffic, connections, cache."""

from __future__ import annotations

from collections.abc import Iterator

from textual.content import Content

from fuseboard.durations import in_words
from fuseboard.quantile import quantile
from fuseboard.snapshot import CacheSnapshot, PoolSnapshot, Snapshot, TrafficSnapshot
from fuseboard_tui.literal import literal
from fuseboard_tui.strokes import bar
from fuseboard_tui.widgets.picture import Rows

_BAR_WIDTH = 8
_NAME_WIDTH = 8


class ResourcePanel(Rows):
    """Draws a row for the traffic, each pool of connections and each cache."""

    def show(self, snapshot: Snapshot) -> None:
        """Draw a snapshot."""
        self.draw_rows(list(self._lines(snapshot)) or [self.styled(" none yet", "quiet")])

    def _lines(self, snapshot: Snapshot) -> Iterator[Content]:
        if snapshot.traffic is not None:
            yield self._row("traffic", _traffic(snapshot.traffic))
        for pool in snapshot.pools:
            looks = "alarm" if pool.utilization >= 1 else "plain"
            filled = self.styled(bar(pool.utilization, _BAR_WIDTH), looks)
            yield self._row("pool", Content.assemble("▕", filled, f"▏ {_pool(pool)}"))
        for cache in snapshot.caches:
            filled = self.styled(bar(cache.hit_rate, _BAR_WIDTH), "state--closed")
            yield self._row("cache", Content.assemble("▕", filled, f"▏ {_cache(cache)}"))
        if snapshot.warming is not None and not snapshot.warming.ended:
            seen = snapshot.warming
            waits = f", waits for {literal(seen.held_up, 30)}" if seen.held_up else ""
            yield self._row("warming", Content(f"{seen.done}/{seen.total}{waits}"))

    def _row(self, name: str, said: Content) -> Content:
        return Content.assemble(self.styled(f" {name:<{_NAME_WIDTH}}", "quiet"), said)


def _traffic(traffic: TrafficSnapshot) -> Content:
    pace = f"{traffic.rate:g}/s" if traffic.running else "off"
    skipped = f", {traffic.skipped:,} skipped" if traffic.skipped else ""
    return Content(f"{traffic.kind.value} {pace}, {traffic.in_flight} in flight{skipped}")


def _pool(pool: PoolSnapshot) -> str:
    waited = quantile(0.95, pool.waits.buckets, pool.waits.count)
    waits = f", p95 wait {in_words(waited)}" if waited is not None and waited >= 0.01 else ""
    return f"{pool.active}/{pool.maximum} in use{waits}"


def _cache(cache: CacheSnapshot) -> str:
    return f"{cache.hit_rate:.0%} hits, {cache.entries:,} kept"
