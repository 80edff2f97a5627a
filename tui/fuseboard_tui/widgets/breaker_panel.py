"""One breaker in full: where it stands, why, and what its callers get."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from textual.content import Content

from fuseboard.durations import in_words
from fuseboard.snapshot import BreakerSnapshot, Snapshot
from fuseboard.state import Mode, State
from fuseboard.trip_policy import Gauge
from fuseboard_tui.literal import literal
from fuseboard_tui.marks import GLYPHS, STATE_CLASSES, state_words
from fuseboard_tui.strokes import bar, sparkline
from fuseboard_tui.widgets.picture import Picture

_BAR_WIDTH = 20
_WHY_LINES = 2
_ROOMY = 9  # lines from which on there are blank ones between


class BreakerPanel(Picture):
    """Draws the chosen breaker."""

    def show(self, snapshot: Snapshot, breaker: BreakerSnapshot | None) -> None:
        """Draw a breaker of a snapshot."""
        if breaker is None:
            self.entitle("Breaker")
            self.draw(self.styled(" nothing to show yet", "quiet"))
            return
        self.entitle(literal(breaker.name, 60))
        rates = snapshot.rates.get(breaker.name, ())
        blocks = [
            [self._state(breaker)],
            self._why(breaker),
            [self._gauge(gauge) for gauge in breaker.gauges],
            [self._calls(breaker)],
            [self._rates(rates)],
        ]
        between = Content("\n\n" if self.size.height >= _ROOMY else "\n")
        first, why, *rest = (Content("\n").join(lines) for lines in blocks if lines)
        self.draw(between.join([Content("\n").join([first, why]), *rest]))

    def _state(self, breaker: BreakerSnapshot) -> Content:
        words = f" {GLYPHS[breaker.state]} {state_words(breaker)}"
        said = f"   for {in_words(breaker.seconds_in_state)}"
        progress = ""
        if breaker.retry_after is not None and breaker.recovery_timeout:
            said += f", probe in {in_words(breaker.retry_after)}"
            waited = 1 - breaker.retry_after / breaker.recovery_timeout
            progress = f"  ▕{bar(waited, _BAR_WIDTH)}▏"
        elif breaker.state is State.HALF_OPEN:
            said += ", probe under way" if breaker.probes else ", waiting for a probe"
        elif breaker.mode is Mode.FORCED_OPEN:
            said += ", until it is reset"
        looks = STATE_CLASSES[breaker.state]
        return Content.assemble(self.styled(words, looks), said, self.styled(progress, looks))

    def _why(self, breaker: BreakerSnapshot) -> list[Content]:
        lines = textwrap.wrap(
            f"why: {literal(breaker.why)}",
            width=max(self.size.width - 2, 20),
            initial_indent=" ",
            subsequent_indent="      ",
            max_lines=_WHY_LINES,
            placeholder=" …",
        )
        # Always as many lines, so that what is below stays where it is.
        lines += [""] * (_WHY_LINES - len(lines))
        return [Content(line) for line in lines]

    def _gauge(self, gauge: Gauge) -> Content:
        share = gauge.value / gauge.limit
        looks = "alarm" if share >= 1 else "state--half-open" if share >= 0.5 else "plain"
        filled = self.styled(bar(share, _BAR_WIDTH), looks)
        spec = ".0%" if gauge.ratio else "g"
        figures = f"{gauge.value:{spec}}/{gauge.limit:{spec}}"
        return Content.assemble(f" {gauge.name} ▕", filled, f"▏ {figures}")

    def _calls(self, breaker: BreakerSnapshot) -> Content:
        calls = breaker.calls
        counts = [
            ("success", calls.success, "state--closed"),
            ("failure", calls.failure, "state--open"),
            ("rejected", calls.rejected, "state--half-open"),
            ("ignored", calls.ignored, "plain"),
            ("late", breaker.late, "plain"),
            ("in flight", breaker.in_flight, "plain"),
        ]
        parts = [
            Content.assemble(
                self.styled(f"{name} ", "quiet"),
                self.styled(f"{count:,}", looks if count else "quiet"),
            )
            for name, count, looks in counts
        ]
        return Content.assemble(" ", Content("  ").join(parts))

    def _rates(self, rates: Sequence[float]) -> Content:
        width = min(max(self.size.width - 18, 10), 120)
        latest = f"{rates[-1]:.1f}" if rates else "–"
        return Content.assemble(
            self.styled(" calls/s ", "quiet"),
            self.styled(sparkline(rates, width), "key"),
            f" {latest}",
        )
