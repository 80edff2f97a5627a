"""What the program has to say: faults switched, transitions, troubles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import takewhile
from typing import ClassVar

from textual.binding import Binding, BindingType

from fuseboard.snapshot.snapshot import LogLevel, LogLine
from fuseboard_tui.screens.searched_lines import SearchedLinesScreen
from fuseboard_tui.text.sanitize import sanitize
from fuseboard_tui.text.wrap import wrap_text
from fuseboard_tui.widgets.lines import Line, Rows, text_of

_DRAWS_PER_SECOND = 4
_LEVELS = list(LogLevel)  # those that matter least come first
_LOOKS = {LogLevel.INFO: "quiet", LogLevel.WARNING: "key", LogLevel.ERROR: "alarm"}
_LEVEL_WIDTH = max(len(level.name) for level in LogLevel)
_SOURCE_WIDTH = 16
_LEAST_WIDTH = 20  # of the words


class LogScreen(SearchedLinesScreen):
    """Shows the latest lines of the log, the newest first.

    Args:
        look: Gives the lines, oldest first.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "back", "back", id="back", show=False),
        Binding("v", "level", "level", id="level", tooltip="only warnings, only errors, or all"),
    ]

    def __init__(self, look: Callable[[], Sequence[LogLine]]) -> None:
        super().__init__()
        self._look = look
        self._least = LogLevel.INFO
        self._drawn: tuple[object, ...] = ()
        self._newest: LogLine | None = None

    def on_mount(self) -> None:
        """Begin to draw."""
        self.show()
        self.set_interval(1 / _DRAWS_PER_SECOND, self.show)

    def show(self) -> None:
        """Draw what is new; whoever has moved away from the newest lines stays where they are."""
        found = self.query(Rows)
        if not found:
            return
        rows = found.first()
        log = self._look()
        now_drawn = (log, self._least, self.wanted, rows.size)
        if now_drawn == self._drawn:
            return
        same_choice = now_drawn[1:] == self._drawn[1:]
        self._drawn = now_drawn
        wanted = [line for line in reversed(log) if self._is_wanted(line)]
        news = list(takewhile(lambda line: line is not self._newest, wanted))
        self._newest = wanted[0] if wanted else None
        width = rows.size.width
        made = [row for line in wanted for row in _rows(line, width)]
        rows.entitle(self._title(len(wanted), len(log)))
        nothing = " no such line: / and v choose others" if log else " nothing so far"
        rows.draw_rows(made or [((nothing, "quiet"),)])
        if same_choice and rows.top:
            rows.move(sum(len(_rows(line, width)) for line in news))

    def action_level(self) -> None:
        """Show the next level and what matters more, or all again."""
        self._least = _LEVELS[(_LEVELS.index(self._least) + 1) % len(_LEVELS)]
        self.show()

    def _is_wanted(self, line: LogLine) -> bool:
        if _LEVELS.index(line.level) < _LEVELS.index(self._least):
            return False
        return self.wanted in f"{line.level.name} {line.source} {line.message}".casefold()

    def _title(self, shown: int, every: int) -> str:
        title = "Log, newest first" if shown == every else f"Log, {shown} of {every} lines"
        if self._least is not LogLevel.INFO:
            title += f", {self._least.value} and above"
        return title + (f", with {sanitize(self.wanted, 30)}" if self.wanted else "")


@lru_cache(maxsize=1024)
def _rows(line: LogLine, width: int) -> tuple[Line, ...]:
    return tuple(_folded(line, width))


def _folded(line: LogLine, width: int) -> Iterator[Line]:
    at = datetime.fromtimestamp(line.at).astimezone()
    head: Line = (
        f" {at:%H:%M:%S}  ",
        (line.level.name.ljust(_LEVEL_WIDTH), _LOOKS[line.level]),
        (f"  {sanitize(line.source, _SOURCE_WIDTH):<{_SOURCE_WIDTH}}  ", "quiet"),
    )
    beside = len(text_of(head))
    for words in wrap_text(line.message, max(width - beside, _LEAST_WIDTH)):
        yield *head, words
        head = (" " * beside,)
