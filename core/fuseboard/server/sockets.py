"""Binding the sockets that fuseboard listens on, before anything runs behind them."""

from __future__ import annotations

import errno
import socket

WAITING = 128
"""How many connections may wait to be accepted."""

_TRIES = 100


class ListenError(Exception):
    """A port cannot be listened on; the message says why."""


class PortTakenError(ListenError):
    """Somebody else listens on the port."""


def bind(host: str, port: int) -> socket.socket:
    """Bind a TCP socket to `host` and `port`; port 0 is any free one.

    Raises:
        PortTakenError: If somebody else listens there.
        ListenError: If it cannot be bound for another reason.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise ListenError(f"there is no address called {host!r}: {error.strerror}") from error
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        # A bound port that does not listen yet could still be taken by somebody else.
        listener.listen(WAITING)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTakenError(f"port {port} on {host} is taken") from error
        raise ListenError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    listener.setblocking(False)
    return listener


def bind_from(host: str, port: int) -> socket.socket:
    """Bind a TCP socket to `port`, or to the next one above it that is free.

    Raises:
        PortTakenError: If none of a hundred is free.
        ListenError: If it cannot be bound for another reason.
    """
    for candidate in range(port, port + _TRIES - 1):
        try:
            return bind(host, candidate)
        except PortTakenError:
            continue
    return bind(host, port + _TRIES - 1)


def url_of(listener: socket.socket) -> str:
    """Write where a bound socket is reached, without a slash at the end."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
