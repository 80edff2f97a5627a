"""The panel of the selected breaker: state, reason, policies, calls, rates, latency."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from fuseboard.breaker.durations import format_duration
from fuseboard.breaker.policies.base import Gauge
from fuseboard.breaker.shares import format_share
from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard.breaker.state import Mode, State
from fuseboard.snapshot.rates import REMEMBERED_SECONDS
from fuseboard.snapshot.snapshot import BreakerRates, Snapshot
from fuseboard_tui.text.charts import bar, sparkline
from fuseboard_tui.text.glyphs import GLYPHS, STATE_CLASSES, state_label
from fuseboard_tui.text.sanitize import sanitize
from fuseboard_tui.text.wrap import wrap_text
from fuseboard_tui.widgets.lines import Line, LinesWidget, join_spans, plain_text

_BAR_WIDTH = 20
_MAX_NAME_LENGTH = 40  # of a gauge
_WHY = " why: "
_MORE = " …"
_SHORT_NAMES = {"success": "ok", "failure": "failed", "in flight": "now"}
_PLOTS = 3  # lines of the plots by verdict
_BESIDE_PLOT = 34  # columns of the names and figures


class BreakerPanel(LinesWidget):
    """Draw one breaker in full."""

    def show(self, snapshot: Snapshot, breaker: BreakerSnapshot | None) -> None:
        """Draw a breaker of a snapshot; a hint if there is none."""
        if breaker is None:
            self.set_title("Breaker")
            self.draw([((" nothing to show yet", "quiet"),)])
            return
        self.set_title(sanitize(breaker.name, 60))
        rates = snapshot.rates.get(breaker.name, BreakerRates())
        lines: list[Line] = [
            _state(breaker),
            *_why(breaker.why, max(self.size.width - 2, 20)),
            *(_gauge(gauge) for gauge in breaker.gauges),
            self._calls(breaker),
        ]
        room = self.size.height - len(lines)
        plots = self._plots(rates) if room >= _PLOTS else [self._plot_of_all(rates)]
        if room > len(plots):
            lines.append(())
        self.draw([*lines, *plots])

    def _calls(self, breaker: BreakerSnapshot) -> Line:
        calls = breaker.calls
        counts: list[tuple[str, int, str]] = [
            ("success", calls.success, "state--closed"),
            ("failure", calls.failure, "state--open"),
            ("rejected", calls.rejected, "state--half-open"),
            ("ignored", calls.ignored, "plain"),
            *([("late", breaker.late, "plain")] if breaker.late else []),
            ("in flight", breaker.in_flight, "plain"),
        ]
        line: Line = ()
        for gap, names in (("  ", {}), (" ", {}), (" ", _SHORT_NAMES)):
            parts = (_count(names.get(name, name), count, style) for name, count, style in counts)
            line = (" ", *join_spans(gap, parts))
            if len(plain_text(line)) <= self.size.width:
                break
        return line

    def _plots(self, rates: BreakerRates) -> list[Line]:
        """Return the calls per second by verdict, to one scale, with percentiles beside them."""
        width = self._plot_width()
        rows = [
            ("ok/s", rates.success, "state--closed", _percentile("p50", rates.p50)),
            ("failed/s", rates.failure, "state--open", _percentile("p95", rates.p95)),
            ("rejected/s", rates.rejected, "state--half-open", _percentile("p99", rates.p99)),
        ]
        peak = max((max(values[-width:], default=0.0) for _, values, _, _ in rows), default=0.0)
        return [
            (
                (f" {name:<10} ", "quiet"),
                (sparkline(values, width, peak), style),
                f" {_latest(values):>6}  {percentile}",
            )
            for name, values, style, percentile in rows
        ]

    def _plot_of_all(self, rates: BreakerRates) -> Line:
        return (
            (" calls/s    ", "quiet"),
            (sparkline(rates.total, self._plot_width()), "key"),
            f" {_latest(rates.total):>6}  {_percentile('p95', rates.p95)}",
        )

    def _plot_width(self) -> int:
        return min(max(self.size.width - _BESIDE_PLOT, 10), REMEMBERED_SECONDS)


def _state(breaker: BreakerSnapshot) -> Line:
    label = f" {GLYPHS[breaker.state]} {state_label(breaker)}"
    note = f"   for {format_duration(breaker.seconds_in_state)}"
    progress = ""
    if breaker.retry_after is not None and breaker.recovery_timeout:
        note += f", probe in {format_duration(breaker.retry_after)}"
        waited = 1 - breaker.retry_after / breaker.recovery_timeout
        progress = f"  ▕{bar(waited, _BAR_WIDTH)}▏"
    elif breaker.state is State.HALF_OPEN:
        note += ", probe under way" if breaker.probes else ", waiting for a probe"
    elif breaker.mode is Mode.FORCED_OPEN:
        note += ", until it is reset"
    style = STATE_CLASSES[breaker.state]
    return (label, style), note, (progress, style)


@lru_cache(maxsize=1)
def _why(reason: str, width: int) -> tuple[Line, Line]:
    """Return a reason on exactly two lines, so that the lines below do not move."""
    width -= len(_WHY)
    lines = list(wrap_text(sanitize(reason), width))
    second = "".join(lines[1:2])
    if len(lines) > 2:
        second = next(wrap_text(second, width - len(_MORE))) + _MORE
    return (f"{_WHY}{lines[0]}",), (f"{' ' * len(_WHY)}{second}" if second else "",)


def _gauge(gauge: Gauge) -> Line:
    share = gauge.value / gauge.limit
    style = "alarm" if share >= 1 else "state--half-open" if share >= 0.5 else "plain"
    if gauge.ratio:
        figures = f"{format_share(gauge.value)}/{gauge.limit:.0%}"
    else:
        figures = f"{gauge.value:g}/{gauge.limit:g}"
    name = sanitize(gauge.name, _MAX_NAME_LENGTH)
    return f" {name} ▕", (bar(share, _BAR_WIDTH), style), f"▏ {figures}"


def _count(name: str, count: int, style: str) -> Line:
    return (f"{name} ", "quiet"), (f"{count:,}", style if count else "quiet")


def _latest(values: Sequence[float]) -> str:
    return f"{values[-1]:.1f}" if values else "–"


def _percentile(name: str, seconds: float | None) -> str:
    return f"{name} {format_duration(seconds) if seconds is not None else '–'}"
