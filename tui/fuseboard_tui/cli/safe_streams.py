"""The standard streams of the command line: no unsafe character and no secret leaves here."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO, cast

from fuseboard.masked_url import mask_urls
from fuseboard_tui.text.sanitize import sanitize_lines


class SafeStream(io.TextIOBase):
    """A text stream that sanitises what is written to another one, and masks its URLs.

    It is no terminal, whatever the other one is: an escape sequence for colours
    would be torn apart.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the other stream."""
        return self._stream.encoding

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: str) -> int:
        """Write a text without unsafe characters and secrets and return its length."""
        self._stream.write(sanitize_lines(mask_urls(text)))
        return len(text)

    def fileno(self) -> int:
        """Return the descriptor of the other stream; whoever writes there sanitises."""
        return self._stream.fileno()

    def flush(self) -> None:
        """Flush the other stream."""
        self._stream.flush()


@contextmanager
def safe_streams() -> Iterator[None]:
    """Sanitise within the block what is written to `sys.stdout` and `sys.stderr`.

    So are tracebacks, warnings and log lines that a `logging.StreamHandler`
    made within the block writes.
    """
    before = sys.stdout, sys.stderr
    # A stream that was closed before the program started is `None`.
    sys.stdout, sys.stderr = (
        cast(TextIO, SafeStream(stream)) if stream is not None else stream for stream in before
    )
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
