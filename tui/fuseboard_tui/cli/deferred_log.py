"""Log records held back while the screen is in use: written at once, they would garble it."""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from fuseboard_tui.cli.background_stderr import stderr_in_background

_MAX_RECORDS = 50


class _DeferredLog(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        self.lines: deque[str] = deque(maxlen=_MAX_RECORDS)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception as error:  # noqa: BLE001 (a wrong log call must not break its caller)
            line = f"{record.msg!r} cannot be written: {error}"
        self.lines.append(line)


@contextmanager
def log_deferred() -> Iterator[None]:
    """Hold back warnings and errors within the block, and write the latest to stderr after it."""
    log = _DeferredLog()
    root = logging.getLogger()
    root.addHandler(log)
    try:
        yield
    finally:
        root.removeHandler(log)
        with stderr_in_background():
            for line in log.lines:
                print(line, file=sys.stderr)  # noqa: T201
