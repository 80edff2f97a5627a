"""Being asked to stop, from a thread or from a signal's handler."""

from __future__ import annotations

import select
import socket
from contextlib import suppress


class StopRequest:
    """Somebody's wish to stop.

    It may be made in a signal's handler: `threading.Event.set()` would wait for
    ever there if the signal came while this very thread was entering `wait()`.
    """

    def __init__(self) -> None:
        self._listening, self._making = socket.socketpair()
        self._making.setblocking(False)

    def __enter__(self) -> StopRequest:
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()
        self._making.close()

    def make(self) -> None:
        """Wish it; once is enough."""
        with suppress(OSError):  # full of wishes already, or nobody listens any more
            self._making.send(b"!")

    def wait(self, seconds: float) -> bool:
        """Wait for the wish for so many seconds; returns whether it was made."""
        return bool(select.select([self._listening], [], [], seconds)[0])
