"""One breaker in full: where it stands, why, and what its callers get."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from fuseboard.breaker.durations import format_duration
from fuseboard.breaker.policies.base import Gauge
from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard.breaker.state import Mode, State
from fuseboard.snapshot.rates import REMEMBERED_SECONDS
from fuseboard.snapshot.snapshot import BreakerRates, Snapshot
from fuseboard_tui.text.charts import bar, sparkline
from fuseboard_tui.text.glyphs import GLYPHS, STATE_CLASSES, state_label
from fuseboard_tui.text.sanitize import sanitize
from fuseboard_tui.widgets.lines import Line, LinesWidget, joined, text_of

_BAR_WIDTH = 20
_WHY_LINES = 2
_SHORT_NAMES = {"success": "ok", "failure": "failed", "in flight": "now"}
_PLOTS = 3  # lines that plots by verdict take
_BESIDE_PLOT = 34  # columns that names and figures take


class BreakerPanel(LinesWidget):
    """Draws the chosen breaker."""

    def show(self, snapshot: Snapshot, breaker: BreakerSnapshot | None) -> None:
        """Draw a breaker of a snapshot."""
        if breaker is None:
            self.entitle("Breaker")
            self.draw([((" nothing to show yet", "quiet"),)])
            return
        self.entitle(sanitize(breaker.name, 60))
        activity = snapshot.rates.get(breaker.name, BreakerRates())
        lines: list[Line] = [
            _state(breaker),
            *self._why(breaker),
            *(_gauge(gauge) for gauge in breaker.gauges),
            self._calls(breaker),
        ]
        room = self.size.height - len(lines)
        plots = self._plots(activity) if room >= _PLOTS else [self._plot_of_all(activity)]
        if room > len(plots):
            lines.append(())
        self.draw([*lines, *plots])

    def _why(self, breaker: BreakerSnapshot) -> list[Line]:
        lines = textwrap.wrap(
            f"why: {sanitize(breaker.why)}",
            width=max(self.size.width - 2, 20),
            initial_indent=" ",
            subsequent_indent="      ",
            max_lines=_WHY_LINES,
            placeholder=" …",
        )
        # Always as many lines, so that what is below stays where it is.
        lines += [""] * (_WHY_LINES - len(lines))
        return [(line,) for line in lines]

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
            parts = (_count(names.get(name, name), count, looks) for name, count, looks in counts)
            line = (" ", *joined(gap, parts))
            if len(text_of(line)) <= self.size.width:
                break
        return line

    def _plots(self, activity: BreakerRates) -> list[Line]:
        """Draw calls a second by verdict, to one scale, and the percentiles beside them."""
        width = self._plot_width()
        rows = [
            ("ok/s", activity.success, "state--closed", _percentile("p50", activity.p50)),
            ("failed/s", activity.failure, "state--open", _percentile("p95", activity.p95)),
            ("rejected/s", activity.rejected, "state--half-open", _percentile("p99", activity.p99)),
        ]
        peak = max((max(rates[-width:], default=0.0) for _, rates, _, _ in rows), default=0.0)
        return [
            (
                (f" {name:<10} ", "quiet"),
                (sparkline(rates, width, peak), looks),
                f" {_latest(rates):>6}  {percentile}",
            )
            for name, rates, looks, percentile in rows
        ]

    def _plot_of_all(self, activity: BreakerRates) -> Line:
        rates = activity.total
        return (
            (" calls/s    ", "quiet"),
            (sparkline(rates, self._plot_width()), "key"),
            f" {_latest(rates):>6}  {_percentile('p95', activity.p95)}",
        )

    def _plot_width(self) -> int:
        return min(max(self.size.width - _BESIDE_PLOT, 10), REMEMBERED_SECONDS)


def _state(breaker: BreakerSnapshot) -> Line:
    words = f" {GLYPHS[breaker.state]} {state_label(breaker)}"
    said = f"   for {format_duration(breaker.seconds_in_state)}"
    progress = ""
    if breaker.retry_after is not None and breaker.recovery_timeout:
        said += f", probe in {format_duration(breaker.retry_after)}"
        waited = 1 - breaker.retry_after / breaker.recovery_timeout
        progress = f"  ▕{bar(waited, _BAR_WIDTH)}▏"
    elif breaker.state is State.HALF_OPEN:
        said += ", probe under way" if breaker.probes else ", waiting for a probe"
    elif breaker.mode is Mode.FORCED_OPEN:
        said += ", until it is reset"
    looks = STATE_CLASSES[breaker.state]
    return (words, looks), said, (progress, looks)


def _gauge(gauge: Gauge) -> Line:
    share = gauge.value / gauge.limit
    looks = "alarm" if share >= 1 else "state--half-open" if share >= 0.5 else "plain"
    spec = ".0%" if gauge.ratio else "g"
    figures = f"{gauge.value:{spec}}/{gauge.limit:{spec}}"
    return f" {gauge.name} ▕", (bar(share, _BAR_WIDTH), looks), f"▏ {figures}"


def _count(name: str, count: int, looks: str) -> Line:
    return (f"{name} ", "quiet"), (f"{count:,}", looks if count else "quiet")


def _latest(rates: Sequence[float]) -> str:
    return f"{rates[-1]:.1f}" if rates else "–"


def _percentile(name: str, seconds: float | None) -> str:
    return f"{name} {format_duration(seconds) if seconds is not None else '–'}"
