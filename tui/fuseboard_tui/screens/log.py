"""The log: switched faults, transitions, warnings and errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import takewhile
from typing import ClassVar

from textual.binding import Binding, BindingType

from fuseboard.snapshot.snapshot import LogLevel, LogLine
from fuseboard_tui.screens.searchable_lines import SearchableLinesScreen
from fuseboard_tui.text.sanitize import sanitize
from fuseboard_tui.text.wrap import wrap_text
from fuseboard_tui.widgets.lines import Line, ScrollableLines, plain_text

_DRAWS_PER_SECOND = 4
_LEVELS = list(LogLevel)  # in order of severity
_STYLES = {LogLevel.INFO: "quiet", LogLevel.WARNING: "key", LogLevel.ERROR: "alarm"}
_LEVEL_WIDTH = max(len(level.name) for level in LogLevel)
_SOURCE_WIDTH = 16
_MIN_MESSAGE_WIDTH = 20


class LogScreen(SearchableLinesScreen):
    """Show the latest lines of the log, newest first.

    Args:
        get_lines: Returns the lines, oldest first.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "back", "back", id="back", show=False),
        Binding("v", "level", "level", id="level", tooltip="only warnings, only errors, or all"),
    ]

    def __init__(self, get_lines: Callable[[], Sequence[LogLine]]) -> None:
        super().__init__()
        self._get_lines = get_lines
        self._min_level = LogLevel.INFO
        self._drawn: tuple[object, ...] = ()
        self._newest: LogLine | None = None

    def on_mount(self) -> None:
        """Begin to draw."""
        self.show()
        self.set_interval(1 / _DRAWS_PER_SECOND, self.show)

    def show(self) -> None:
        """Draw the lines if any have changed; a list that is scrolled down stays where it is."""
        found = self.query(ScrollableLines)
        if not found:
            return
        rows = found.first()
        log = self._get_lines()
        to_draw = (log, self._min_level, self.search_text, rows.size)
        if to_draw == self._drawn:
            return
        same_filter = to_draw[1:] == self._drawn[1:]
        self._drawn = to_draw
        matching = [line for line in reversed(log) if self._matches(line)]
        new = list(takewhile(lambda line: line is not self._newest, matching))
        self._newest = matching[0] if matching else None
        width = rows.size.width
        drawn = [row for line in matching for row in _rows(line, width)]
        rows.set_title(self._title(len(matching), len(log)))
        message = " no such line: / and v choose others" if log else " nothing so far"
        rows.draw_rows(drawn or [((message, "quiet"),)])
        if same_filter and rows.top:
            rows.move(sum(len(_rows(line, width)) for line in new))

    def action_level(self) -> None:
        """Show only lines of the next level and above; all lines after the last level."""
        self._min_level = _LEVELS[(_LEVELS.index(self._min_level) + 1) % len(_LEVELS)]
        self.show()

    def _matches(self, line: LogLine) -> bool:
        if _LEVELS.index(line.level) < _LEVELS.index(self._min_level):
            return False
        return self.search_text in f"{line.level.name} {line.source} {line.message}".casefold()

    def _title(self, shown: int, total: int) -> str:
        title = "Log, newest first" if shown == total else f"Log, {shown} of {total} lines"
        if self._min_level is not LogLevel.INFO:
            title += f", {self._min_level.value} and above"
        return title + (f", with {sanitize(self.search_text, 30)}" if self.search_text else "")


@lru_cache(maxsize=1024)
def _rows(line: LogLine, width: int) -> tuple[Line, ...]:
    return tuple(_wrapped(line, width))


def _wrapped(line: LogLine, width: int) -> Iterator[Line]:
    at = datetime.fromtimestamp(line.at).astimezone()
    head: Line = (
        f" {at:%H:%M:%S}  ",
        (line.level.name.ljust(_LEVEL_WIDTH), _STYLES[line.level]),
        (f"  {sanitize(line.source, _SOURCE_WIDTH):<{_SOURCE_WIDTH}}  ", "quiet"),
    )
    indent = len(plain_text(head))
    for text in wrap_text(line.message, max(width - indent, _MIN_MESSAGE_WIDTH)):
        yield *head, text
        head = (" " * indent,)
