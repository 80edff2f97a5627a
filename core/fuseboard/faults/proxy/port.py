"""A port that can be closed and opened again while its connections live on."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

_BREATH = 1.0  # seconds without accepting when the process has no files left

_logger = logging.getLogger(__name__)


class Port:
    """Accepts connections while it is open.

    `asyncio.Server` loses a connection that it has accepted, but not yet
    attached, when it is closed; here there is no such moment. The loop must
    have `add_reader`, which Windows' default loop has not.

    Args:
        listener: The listening socket to begin with; it does not block.
        accept: Takes a connection.
    """

    def __init__(self, listener: socket.socket, accept: Callable[[socket.socket], None]) -> None:
        self._accept = accept
        self._listener: socket.socket | None = None
        self._loop = asyncio.get_running_loop()
        self.open(listener)

    @property
    def is_open(self) -> bool:
        """Whether new connections are accepted."""
        return self._listener is not None

    def open(self, listener: socket.socket) -> None:
        """Accept what comes to a listening socket from now on."""
        self._listener = listener
        self._loop.add_reader(listener, self._take, listener)

    def close(self) -> None:
        """Refuse new connections from now on."""
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    def _take(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # whoever it was has left already
        except OSError as error:
            _logger.warning("cannot accept a connection: %s", error)
            self._loop.remove_reader(listener)
            self._loop.call_later(_BREATH, self._take_again, listener)
        else:
            connection.setblocking(False)
            self._accept(connection)

    def _take_again(self, listener: socket.socket) -> None:
        if listener is self._listener:
            self._loop.add_reader(listener, self._take, listener)
