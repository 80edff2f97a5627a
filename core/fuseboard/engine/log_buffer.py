"""A bounded buffer of the latest log lines, for the dashboard."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from fuseboard.breaker.fork import renewed_lock
from fuseboard.masked_url import mask_urls
from fuseboard.snapshot.snapshot import LogLevel, LogLine

_MAX_LINES = 300
_MAX_LENGTH = 4000  # characters; of a longer text the beginning and the end are stored
_PACKAGE = "fuseboard"


class LogBuffer(logging.Handler):
    """A store of what is logged in this process, at `INFO` and above. Thread-safe."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: tuple[LogLine, ...] = ()

    def emit(self, record: logging.LogRecord) -> None:
        """Store a record, including the traceback of its exception."""
        try:
            text = self.format(record)
        except Exception as error:  # noqa: BLE001 (a wrong log call must not break its caller)
            text = f"{record.msg!r} cannot be written: {error}"
        text = mask_urls(text)
        if len(text) > _MAX_LENGTH:
            text = f"{text[: _MAX_LENGTH // 2]}\n…\n{text[-_MAX_LENGTH // 2 :]}"
        line = LogLine(record.created, _level(record.levelno), _source(record.name), text)
        self._lines = (*self._lines, line)[-_MAX_LINES:]

    @contextmanager
    def capture(self) -> Iterator[None]:
        """Store what is logged within the block, fuseboard's own `INFO` records included.

        For that, the level of fuseboard's logger is `INFO` until the last such
        block ends.
        """
        _info_level.acquire()
        logging.getLogger().addHandler(self)
        try:
            yield
        finally:
            logging.getLogger().removeHandler(self)
            _info_level.release()

    def lines(self) -> tuple[LogLine, ...]:
        """Return the latest lines, oldest first, without taking a lock."""
        return self._lines


class _InfoLevel:
    """The level of fuseboard's logger: `INFO` while there are users. Thread-safe."""

    def __init__(self) -> None:
        self._lock = renewed_lock(self)
        self._users = 0
        self._original: int | None = None

    def acquire(self) -> None:
        logger = logging.getLogger(_PACKAGE)
        with self._lock:
            self._users += 1
            if not logger.isEnabledFor(logging.INFO):
                self._original = logger.level
                logger.setLevel(logging.INFO)

    def release(self) -> None:
        logger = logging.getLogger(_PACKAGE)
        with self._lock:
            self._users -= 1
            if self._users == 0 and self._original is not None:
                if logger.level == logging.INFO:  # the application has not changed it since
                    logger.setLevel(self._original)
                self._original = None


_info_level = _InfoLevel()


def _level(number: int) -> LogLevel:
    if number >= logging.ERROR:
        return LogLevel.ERROR
    return LogLevel.WARNING if number >= logging.WARNING else LogLevel.INFO


def _source(logger: str) -> str:
    """Return the part of the program that a logger belongs to; of fuseboard, the subpackage."""
    first, _, rest = logger.partition(".")
    return rest.partition(".")[0] if first == _PACKAGE and rest else logger.rpartition(".")[2]
