"""A listening port that can be closed and reopened while its connections stay open."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

_FULL_RETRY_SECONDS = 0.02
_ACCEPT_RETRY_SECONDS = 1.0  # after a failed accept: the process may be out of file descriptors

_logger = logging.getLogger(__name__)


class ListeningPort:
    """A port that accepts connections while it is open.

    Closing an `asyncio.Server` can lose a connection that is accepted but not yet
    attached to a transport; here accepting and handing over is one step. The event
    loop must have `add_reader()`, which the default loop of Windows lacks.

    Args:
        listener: The first listening socket; must be non-blocking.
        on_connection: Called with the socket of every accepted connection.
        make_room: Returns whether another connection can be accepted; if not, it waits
            in the system's queue until `resume()`, or until it is tried again soon.
    """

    def __init__(
        self,
        listener: socket.socket,
        on_connection: Callable[[socket.socket], None],
        make_room: Callable[[], bool],
    ) -> None:
        self._on_connection = on_connection
        self._listener: socket.socket | None = None
        self._make_room = make_room
        self.is_full = False
        """Whether a connection waits because there is no room."""
        self._loop = asyncio.get_running_loop()
        self.open(listener)

    @property
    def is_open(self) -> bool:
        """Whether new connections are accepted."""
        return self._listener is not None

    def open(self, listener: socket.socket) -> None:
        """Accept the connections to a listening socket from now on."""
        self._listener = listener
        self.is_full = False
        self._loop.add_reader(listener, self._accept, listener)

    def resume(self) -> None:
        """Accept the connections that wait because there was no room."""
        if self.is_full:
            self.is_full = False
            if self._listener is not None:
                self._loop.add_reader(self._listener, self._accept, self._listener)

    def close(self) -> None:
        """Refuse new connections from now on."""
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    def _accept(self, listener: socket.socket) -> None:
        if not self._make_room():
            self.is_full = True
            self._loop.remove_reader(listener)
            self._loop.call_later(_FULL_RETRY_SECONDS, self.resume)
            return
        try:
            connection, _ = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # the client has already disconnected
        except OSError as error:
            _logger.warning("cannot accept a connection: %s", error)
            self._loop.remove_reader(listener)
            self._loop.call_later(_ACCEPT_RETRY_SECONDS, self._resume, listener)
        else:
            connection.setblocking(False)
            self._on_connection(connection)

    def _resume(self, listener: socket.socket) -> None:
        if listener is self._listener:
            self._loop.add_reader(listener, self._accept, listener)
