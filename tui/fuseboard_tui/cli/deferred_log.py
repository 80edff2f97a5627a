"""Log records kept while the screen is in use, which they would be written across."""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

_KEPT = 50  # records


class _HeldBackLog(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        self.lines: deque[str] = deque(maxlen=_KEPT)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@contextmanager
def log_held_back() -> Iterator[None]:
    """Keep the latest warnings and errors, and write them to stderr when the screen is free."""
    log = _HeldBackLog()
    root = logging.getLogger()
    root.addHandler(log)
    try:
        yield
    finally:
        root.removeHandler(log)
        for line in log.lines:
            print(line, file=sys.stderr)  # noqa: T201
