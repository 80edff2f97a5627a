"""A request to stop, made on another thread or by a signal."""

from __future__ import annotations

import select
import signal
import socket
from contextlib import suppress
from types import FrameType


class StopRequest:
    """A request to stop that one thread waits for. Thread-safe.

    Unlike a `threading.Event`, it can be made in a signal handler: `Event.set()`
    deadlocks there if the signal interrupts the same thread within `Event.wait()`.
    """

    def __init__(self) -> None:
        self._receiver, self._sender = socket.socketpair()
        self._sender.setblocking(False)

    def __enter__(self) -> StopRequest:
        return self

    def __exit__(self, *_: object) -> None:
        self._receiver.close()
        self._sender.close()

    def on_signals(self) -> None:
        """Make the request when SIGINT, SIGTERM or SIGHUP comes; call this on the main thread.

        A SIGHUP that is ignored stays so: that is what `nohup` asks for.
        """
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            ending = getattr(signal, name, None)  # Windows has no SIGHUP
            if ending is not None and (
                name != "SIGHUP" or signal.getsignal(ending) is not signal.SIG_IGN
            ):
                signal.signal(ending, self._handle_signal)

    def make(self) -> None:
        """Make the request; further ones change nothing."""
        with suppress(OSError):  # the buffer is full of requests, or the receiver is closed
            self._sender.send(b"!")

    def wait(self, seconds: float) -> bool:
        """Wait at most `seconds` for the request and return whether it was made."""
        return bool(select.select([self._receiver], [], [], seconds)[0])

    def _handle_signal(self, _signal: int, _frame: FrameType | None) -> None:
        self.make()
