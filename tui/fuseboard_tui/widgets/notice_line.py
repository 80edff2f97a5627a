"""The line of notices, which is hidden while there are none."""

from __future__ import annotations

from datetime import datetime

from fuseboard.breaker.durations import format_duration
from fuseboard.snapshot.snapshot import Snapshot, WarmingSnapshot
from fuseboard_tui.text.sanitize import sanitize
from fuseboard_tui.widgets.lines import Line, LinesWidget, join_spans

NOTABLE_SILENCE = 2.0
"""The shortest silence shown, seconds; an engine updates its snapshot ten times a second."""


class NoticeLine(LinesWidget):
    """Draw the notices of a snapshot, the progress of the cache warmer, and a silent source."""

    def show(self, snapshot: Snapshot, silence: float, now: float) -> None:
        """Draw a snapshot.

        Args:
            snapshot: The snapshot.
            silence: Seconds without a newer one.
            now: The end of the silence, Unix seconds.
        """
        notices: list[Line] = [(sanitize(text),) for text in _notices(snapshot)]
        if silence >= NOTABLE_SILENCE:
            notices.insert(0, ((f"▲ {silence_message(silence, now)}", "alarm"),))
        self.display = bool(notices)
        self.draw([(" ", *join_spans("; ", notices))])


def silence_message(seconds: float, now: float) -> str:
    """Return the message on a silence of so many seconds before `now`, in Unix seconds."""
    since = datetime.fromtimestamp(now - seconds).astimezone()
    return f"nothing new from the engine for {format_duration(seconds)}, since {since:%H:%M:%S}"


def _notices(snapshot: Snapshot) -> list[str]:
    return [*snapshot.notices, *_warming(snapshot.warming)]


def _warming(warming: WarmingSnapshot | None) -> list[str]:
    if warming is None or (warming.ended and not warming.failed):
        return []
    if warming.ended:
        return [f"warmed {warming.done}/{warming.total}, {warming.failed} failed"]
    notice = f"warming {warming.done}/{warming.total}"
    if warming.failed:
        notice += f", {warming.failed} failed"
    return [f"{notice}, waits for {warming.waiting_for}" if warming.waiting_for else notice]
