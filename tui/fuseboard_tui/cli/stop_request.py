"""A request to stop, made on a thread or in a signal handler."""

from __future__ import annotations

import select
import socket
from contextlib import suppress


class StopRequest:
    """A request to stop, which one thread waits for. Thread-safe.

    It may be made in a signal handler: `threading.Event.set()` would wait for
    ever there if the signal came while this very thread was entering `wait()`.
    """

    def __init__(self) -> None:
        self._receiver, self._sender = socket.socketpair()
        self._sender.setblocking(False)

    def __enter__(self) -> StopRequest:
        return self

    def __exit__(self, *_: object) -> None:
        self._receiver.close()
        self._sender.close()

    def make(self) -> None:
        """Make the request; further ones change nothing."""
        with suppress(OSError):  # the buffer is full of requests, or the receiver is closed
            self._sender.send(b"!")

    def wait(self, seconds: float) -> bool:
        """Wait at most `seconds` for the request and return whether it was made."""
        return bool(select.select([self._receiver], [], [], seconds)[0])
