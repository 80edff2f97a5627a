"""Messages and log on stderr, written without waiting for whoever reads them."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr

from fuseboard.masked_url import mask_urls
from fuseboard_tui.terminal.background_writer import BackgroundWriter
from fuseboard_tui.text.sanitize import sanitize_lines

_MAX_PENDING = 1 << 18  # bytes that wait for a slow reader


@contextmanager
def stderr_in_background() -> Iterator[None]:
    """Let nobody wait within the block for the reader of stderr.

    A reader that is too slow misses lines; one line then says how many.
    """
    try:
        descriptor = sys.stderr.fileno()
    except (AttributeError, OSError):  # there is none, or none with a descriptor
        yield
        return
    stream = _Lines(BackgroundWriter(descriptor, _MAX_PENDING))
    try:
        with redirect_stderr(stream):
            yield
    finally:
        stream.end()


class _Lines(io.TextIOBase):
    """A stream of whole lines. Thread-safe."""

    def __init__(self, writer: BackgroundWriter) -> None:
        self._writer = writer
        self._lock = threading.Lock()
        self._rest = ""
        self._dropped = 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        with self._lock:
            *lines, self._rest = (self._rest + text).split("\n")
            for line in lines:
                self._offer(line)
        return len(text)

    def end(self) -> None:
        with self._lock:
            if self._rest:
                self._offer(self._rest)
            self._writer.close()

    def _offer(self, line: str) -> None:
        if self._dropped and self._put(f"({self._dropped} lines were not read in time)"):
            self._dropped = 0
        if self._dropped or not self._put(line):
            self._dropped += 1

    def _put(self, line: str) -> bool:
        safe = sanitize_lines(mask_urls(line))
        return self._writer.offer(f"{safe}\n".encode(errors="backslashreplace"))
