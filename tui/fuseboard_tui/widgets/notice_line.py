"""What the user ought to know, on a line that takes no room without it."""

from __future__ import annotations

from datetime import datetime

from fuseboard.breaker.durations import format_duration
from fuseboard.snapshot.snapshot import Snapshot, WarmingSnapshot
from fuseboard_tui.text.sanitize import sanitize
from fuseboard_tui.widgets.lines import Line, LinesWidget, joined

NOTABLE_SILENCE = 2.0
"""Seconds without news; an engine gives ten signs of life a second."""


class NoticeLine(LinesWidget):
    """Draws the notices of a snapshot, how far the warming is, and that there is no news."""

    def show(self, snapshot: Snapshot, silence: float, now: float) -> None:
        """Draw a snapshot; `silence` is for how many seconds there has been no news `now`."""
        said: list[Line] = [(sanitize(words),) for words in _notices(snapshot)]
        if silence >= NOTABLE_SILENCE:
            said.insert(0, ((f"▲ {silence_words(silence, now)}", "alarm"),))
        self.display = bool(said)
        self.draw([(" ", *joined("; ", said))])


def silence_words(seconds: float, now: float) -> str:
    """Say for how long there has been no news, and since when; `now` is in Unix seconds."""
    since = datetime.fromtimestamp(now - seconds).astimezone()
    return f"nothing new from the engine for {format_duration(seconds)}, since {since:%H:%M:%S}"


def _notices(snapshot: Snapshot) -> list[str]:
    return [*snapshot.notices, *_warming(snapshot.warming)]


def _warming(seen: WarmingSnapshot | None) -> list[str]:
    if seen is None or (seen.ended and not seen.failed):
        return []
    if seen.ended:
        return [f"warmed {seen.done}/{seen.total}, {seen.failed} failed"]
    said = f"warming {seen.done}/{seen.total}"
    if seen.failed:
        said += f", {seen.failed} failed"
    return [f"{said}, waits for {seen.waiting_for}" if seen.waiting_for else said]
