"""The events of a run as lines of JSON, written without waiting for whoever reads them."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable

from fuseboard_tui.terminal.background_writer import BackgroundWriter
from fuseboard_tui.text.sanitize import escape_json

Event = dict[str, object]

_MAX_PENDING = 1 << 20  # bytes that wait for a slow reader
_MAX_HELD = 1_000  # events


class JsonLines:
    """Whole lines on a descriptor, written from any thread in the order of the calls.

    What is written before `open()` is held back until `open()` has written its first line.
    A reader that is too slow misses events; the event `dropped` then says how many lines.

    Args:
        descriptor: Where the lines go.
        on_failure: Called on another thread when nothing can be written any more.
    """

    def __init__(self, descriptor: int, on_failure: Callable[[], object]) -> None:
        self._writer = BackgroundWriter(descriptor, _MAX_PENDING, on_failure)
        self._lock = threading.Lock()
        self._held: deque[Event] | None = deque()
        self._dropped = 0

    @property
    def failure(self) -> OSError | None:
        """Why nothing can be written any more, or `None`."""
        return self._writer.failure

    def open(self, *first: Event) -> None:
        """Write events before all those that were held back, and hold back no more."""
        with self._lock:
            held, self._held = self._held or (), None
            for event in (*first, *held):
                self._offer(event)

    def write(self, event: Event) -> None:
        """Write an event, or count it as dropped, without waiting."""
        with self._lock:
            if self._held is None:
                self._offer(event)
            elif len(self._held) < _MAX_HELD:
                self._held.append(event)
            else:
                self._dropped += 1

    def close(self) -> int:
        """Wait for a reader that still reads, and return how many lines nobody was told of."""
        return self._writer.close() + self._dropped

    def _offer(self, event: Event) -> None:
        if self._dropped and self._writer.offer(
            _line({"event": "dropped", "lines": self._dropped})
        ):
            self._dropped = 0
        if self._dropped or not self._writer.offer(_line(event)):
            self._dropped += 1


def _line(event: Event) -> bytes:
    return (escape_json(json.dumps(event, ensure_ascii=False)) + "\n").encode()
