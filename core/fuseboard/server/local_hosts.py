"""Refusing requests that a web page sends to a server on this machine.

A page whose name was made to lead here (DNS rebinding) still sends its own
name as the `Host`; whoever means this machine says so.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_HOST = re.compile(r"(?P<name>\[[^\]]*\]|[^:]*)(:\d*)?")


class OnlyLocalHosts:
    """An application that answers 403 to requests whose `Host` is not this machine."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        hosts = [value for name, value in scope.get("headers", ()) if name == b"host"]
        if scope["type"] == "http" and not all(is_local(host.decode("latin-1")) for host in hosts):
            refusal = PlainTextResponse("this endpoint is for this machine\n", status_code=403)
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def is_local(host: str) -> bool:
    """Say whether a `Host` header, with or without a port, means the machine itself."""
    parts = _HOST.fullmatch(host.strip())
    if parts is None:
        return False
    name = parts["name"].lower()
    if name in {"localhost", "localhost."}:
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def listens_locally(listener: socket.socket) -> bool:
    """Say whether a bound socket can be reached from this machine only."""
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback
