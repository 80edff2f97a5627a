"""Writing to a descriptor whose reader may be slow or gone, without waiting for it."""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

_PATIENCE = 1.0  # seconds without progress after which `close()` gives a reader up
_MAX_CLOSE_SECONDS = 5.0
_CHUNK = 1 << 16  # bytes given to the system at once


class BackgroundWriter:
    """A bounded queue of bytes, written to a descriptor by a thread of its own. Thread-safe.

    It writes past Python's streams: a thread that hangs in one holds its lock, and that
    breaks the end of the interpreter.

    Args:
        descriptor: Where it writes; never closed.
        max_pending: Bytes that may wait; whatever is offered while more do is not taken.
        on_failure: Called on that thread when nothing can be written any more.
    """

    def __init__(
        self,
        descriptor: int,
        max_pending: int,
        on_failure: Callable[[], object] = lambda: None,
    ) -> None:
        self._descriptor = descriptor
        self._max_pending = max_pending
        self._on_failure = on_failure
        self._changed = threading.Condition()
        self._waiting: deque[bytes] = deque()
        self._pending = 0  # bytes that are not written yet
        self._offers = 0  # that are not written whole
        self._written = 0
        self._closing = False
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="fuseboard-output", daemon=True)
        self._thread.start()

    @property
    def failure(self) -> OSError | None:
        """Why nothing can be written any more, or `None`."""
        return self._failure

    @property
    def pending(self) -> int:
        """How many bytes are not written yet."""
        return self._pending

    def offer(self, data: bytes) -> bool:
        """Queue bytes and return whether they were taken; they are written whole or not at all."""
        with self._changed:
            if self._pending > self._max_pending or self._failure or self._closing:
                return False
            if not data:
                return True
            self._waiting.append(data)
            self._pending += len(data)
            self._offers += 1
            self._changed.notify_all()
            return True

    def discard(self) -> None:
        """Forget what waits; what is being written is still written to its end."""
        with self._changed:
            self._pending -= sum(map(len, self._waiting))
            self._offers -= len(self._waiting)
            self._waiting.clear()

    def close(self) -> int:
        """Wait until everything is written and return how many of the offers were not.

        A reader that takes nothing for a second, or is not done in five, is given up.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            ends = time.monotonic() + _MAX_CLOSE_SECONDS
            while self._offers and not self._failure:
                written = self._written
                self._changed.wait(max(min(_PATIENCE, ends - time.monotonic()), 0))
                if self._written == written:
                    break
            return self._offers

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting:
                    return
                data = self._waiting.popleft()
            try:
                self._write(data)
            except OSError as error:
                with self._changed:
                    self._failure = error
                    self._changed.notify_all()
                self._on_failure()
                return

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            written = 0
            with suppress(BlockingIOError):  # whoever shares the descriptor made it non-blocking
                written = os.write(self._descriptor, rest[:_CHUNK])
            if not written:
                select.select([], [self._descriptor], [])
            rest = rest[written:]
            with self._changed:
                self._pending -= written
                self._written += written
                self._offers -= not rest
                self._changed.notify_all()
