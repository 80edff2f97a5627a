"""Protection of a server on this machine against DNS rebinding.

A web page whose domain name was made to resolve to this machine can send
requests here, but its browser sends that domain name as the `Host`.
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
    """ASGI middleware that responds 403 to requests whose `Host` is not this machine."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on to the application, or refuse it."""
        hosts = [value for name, value in scope.get("headers", ()) if name == b"host"]
        if scope["type"] == "http" and not all(is_local(host.decode("latin-1")) for host in hosts):
            refusal = PlainTextResponse("this endpoint is for this machine\n", status_code=403)
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def is_local(host: str) -> bool:
    """Return whether a `Host` header, with or without a port, names this machine."""
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
    """Return whether a bound socket is reachable from this machine only."""
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback
