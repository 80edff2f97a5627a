"""The latest lines that the program has logged, for a dashboard to draw."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from fuseboard.snapshot import LogLevel, LogLine

_KEPT = 300  # lines
_LONGEST = 4000  # characters; of a longer text the beginning and the end are kept
_OURS = "fuseboard"


class LogBook(logging.Handler):
    """Keeps what is logged in this process, at `INFO` and above. Thread-safe."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: deque[LogLine] = deque(maxlen=_KEPT)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record; with an exception, its traceback too."""
        words = self.format(record)
        if len(words) > _LONGEST:
            words = f"{words[: _LONGEST // 2]}\n…\n{words[-_LONGEST // 2 :]}"
        source = record.name.rpartition(".")[2]
        self._lines.append(LogLine(record.created, _level(record.levelno), source, words))

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep what is logged within the block, of fuseboard itself what only informs too."""
        ours = logging.getLogger(_OURS)
        before = ours.level
        if not ours.isEnabledFor(logging.INFO):
            ours.setLevel(logging.INFO)
        logging.getLogger().addHandler(self)
        try:
            yield
        finally:
            logging.getLogger().removeHandler(self)
            ours.setLevel(before)

    def lines(self) -> tuple[LogLine, ...]:
        """Give the latest lines, oldest first."""
        self.acquire()
        try:
            return tuple(self._lines)
        finally:
            self.release()


def _level(number: int) -> LogLevel:
    if number >= logging.ERROR:
        return LogLevel.ERROR
    return LogLevel.WARNING if number >= logging.WARNING else LogLevel.INFO
