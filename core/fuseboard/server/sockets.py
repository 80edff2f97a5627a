"""Binding of listening sockets, before a server runs on them."""

from __future__ import annotations

import errno
import socket

BACKLOG = 128
"""Maximum number of connections that wait to be accepted."""

_PORTS_TRIED = 100


class ListenError(Exception):
    """A port cannot be listened on; the message has the reason."""


class PortTakenError(ListenError):
    """Another socket listens on the port already."""


def bind(host: str, port: int) -> socket.socket:
    """Return a listening TCP socket on `host` and `port`; port 0 is any free one.

    Raises:
        PortTakenError: If another socket listens there already.
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
        # A bound port that does not listen yet could still be taken by another socket.
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTakenError(f"port {port} on {host} is taken") from error
        raise ListenError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    listener.setblocking(False)
    return listener


def bind_from(host: str, port: int) -> socket.socket:
    """Return a listening TCP socket on `port`, or on the next free one above it.

    Raises:
        PortTakenError: If none of a hundred ports is free.
        ListenError: If it cannot be bound for another reason.
    """
    for candidate in range(port, port + _PORTS_TRIED - 1):
        try:
            return bind(host, candidate)
        except PortTakenError:
            continue
    return bind(host, port + _PORTS_TRIED - 1)


def url_of(listener: socket.socket) -> str:
    """Return the URL of a bound socket, without a slash at the end."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
