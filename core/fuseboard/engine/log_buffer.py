"""The latest lines that the program has logged, for a dashboard to draw."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from fuseboard.snapshot.snapshot import LogLevel, LogLine

_KEPT = 300  # lines
_LONGEST = 4000  # characters; of a longer text the beginning and the end are kept
_OURS = "fuseboard"


class LogBuffer(logging.Handler):
    """Keeps what is logged in this process, at `INFO` and above. Thread-safe."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: tuple[LogLine, ...] = ()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record; with an exception, its traceback too."""
        try:
            words = self.format(record)
        except Exception as error:  # noqa: BLE001 (whoever logs it wrongly shall not fail for it)
            words = f"{record.msg!r} cannot be written: {error}"
        if len(words) > _LONGEST:
            words = f"{words[: _LONGEST // 2]}\n…\n{words[-_LONGEST // 2 :]}"
        source = _source(record.name)
        line = LogLine(record.created, _level(record.levelno), source, words)
        self._lines = (*self._lines, line)[-_KEPT:]

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep what is logged within the block, of fuseboard itself what only informs too.

        For that the level of fuseboard's logger is lowered until the last such block ends.
        """
        _lowered.begin()
        logging.getLogger().addHandler(self)
        try:
            yield
        finally:
            logging.getLogger().removeHandler(self)
            _lowered.end()

    def lines(self) -> tuple[LogLine, ...]:
        """Give the latest lines, oldest first; never waits for whoever logs."""
        return self._lines


class _LoweredLevel:
    """The level of fuseboard's logger, lowered as long as anybody keeps what it says."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._before: int | None = None

    def begin(self) -> None:
        ours = logging.getLogger(_OURS)
        with self._lock:
            self._users += 1
            if not ours.isEnabledFor(logging.INFO):
                self._before = ours.level
                ours.setLevel(logging.INFO)

    def end(self) -> None:
        ours = logging.getLogger(_OURS)
        with self._lock:
            self._users -= 1
            if self._users == 0 and self._before is not None:
                if ours.level == logging.INFO:  # nobody else has chosen since
                    ours.setLevel(self._before)
                self._before = None


_lowered = _LoweredLevel()


def _level(number: int) -> LogLevel:
    if number >= logging.ERROR:
        return LogLevel.ERROR
    return LogLevel.WARNING if number >= logging.WARNING else LogLevel.INFO


def _source(logger: str) -> str:
    """Return the part of the program that a logger belongs to: of ours the package, `faults`."""
    first, _, rest = logger.partition(".")
    return rest.partition(".")[0] if first == "fuseboard" and rest else logger.rpartition(".")[2]
