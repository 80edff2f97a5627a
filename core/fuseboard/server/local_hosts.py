"""Protection of a server on this machine against web pages.

A page on any site can make its browser send requests here. If its domain name
was made to resolve to this machine (DNS rebinding), it can even read the
responses; the browser then sends that domain name as the `Host`. Otherwise the
browser says where the page is from: as the `Origin`, or for what needs none,
such as an image, that it is of another site (`Sec-Fetch-Site`).
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fuseboard.invalid_input import InvalidInputError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

ANY = "*"
"""The host or the origin that stands for all of them."""

_HOST = re.compile(r"(?P<name>\[[^\]]*\]|[^:]*)(:\d*)?")
_HOST_NAME = re.compile(r"\*|[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]")
_ORIGIN = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>[^/?#@\s]*)", re.IGNORECASE)
_WEB_SCHEMES = {"http", "https"}
_APP_SCHEMES = {"app", "file", "tauri", "vscode-file", "vscode-webview"}
"""Schemes of installed programs, which Ollama accepts too; no web page has one of them."""


@dataclass(frozen=True, slots=True)
class AllowedCallers:
    """Who may send requests to a server that listens on this machine only.

    Raises:
        ValueError: If a host or an origin cannot be one.
    """

    hosts: Collection[str] = ()
    """Names that clients may call the server by, without a port, beside those of this machine."""
    origins: Collection[str] = ()
    """Web sites whose pages may send requests, as `https://chat.example`, beside local ones."""

    def __post_init__(self) -> None:
        for host in self.hosts:
            check_host(host)
        for origin in self.origins:
            check_origin(origin)

    def refusal(self, headers: Iterable[tuple[bytes, bytes]], *, check_host: bool = True) -> str:
        """Return why a request with these headers is refused; empty if it is not.

        Args:
            headers: Their names in lower case.
            check_host: Whether the `Host` is checked as well.
        """
        seen: dict[bytes, list[str]] = {}
        for name, value in headers:
            seen.setdefault(name, []).append(value.decode("latin-1").strip())
        if check_host and not all(map(self._allows_host, seen.get(b"host", ()))):
            return "the Host is not this machine; --allow-host allows a name"
        origins = seen.get(b"origin", ())
        if not all(map(self._allows_origin, origins)):
            return "the Origin is a foreign web site; --allow-origin allows one"
        is_foreign = "cross-site" in seen.get(b"sec-fetch-site", ())
        # Following a link from another site is harmless: that site cannot see where it leads.
        if is_foreign and not origins and "navigate" not in seen.get(b"sec-fetch-mode", ()):
            return "the request comes from a foreign web site"
        return ""

    def _allows_host(self, host: str) -> bool:
        if is_local(host):
            return True
        parts = _HOST.fullmatch(host)
        name = parts["name"].lower() if parts else ""
        return any(allowed in (ANY, name) for allowed in map(str.lower, self.hosts))

    def _allows_origin(self, origin: str) -> bool:
        return is_local_origin(origin) or any(
            allowed in (ANY, origin.lower()) for allowed in map(_without_slash, self.origins)
        )


class OnlyLocalHosts:
    """ASGI middleware that responds 403 to requests that are not from this machine.

    Args:
        app: The application.
        allowed: Who may send requests nevertheless.
    """

    def __init__(self, app: ASGIApp, allowed: AllowedCallers | None = None) -> None:
        self._app = app
        self._allowed = allowed or AllowedCallers()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on to the application, or refuse it."""
        reason = self._allowed.refusal(scope["headers"]) if scope["type"] == "http" else ""
        if reason:
            content_type = (b"content-type", b"text/plain; charset=utf-8")
            await send({"type": "http.response.start", "status": 403, "headers": [content_type]})
            await send({"type": "http.response.body", "body": f"refused: {reason}\n".encode()})
        else:
            await self._app(scope, receive, send)


def is_local(host: str) -> bool:
    """Return whether a `Host` header, with or without a port, names this machine."""
    parts = _HOST.fullmatch(host.strip())
    if parts is None:
        return False
    name = parts["name"].lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761: they resolve to loopback
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def is_local_origin(origin: str) -> bool:
    """Return whether an `Origin` header names this machine, or a program that is installed on it.

    Pages without an origin (`null`) are foreign: any site can show one in a frame.
    """
    parts = _ORIGIN.fullmatch(origin)
    if parts is None:
        return False
    scheme = parts["scheme"].lower()
    return scheme in _APP_SCHEMES or (scheme in _WEB_SCHEMES and is_local(parts["host"]))


def check_host(text: str) -> str:
    """Return a host's name, or `*`, as it is.

    Raises:
        InvalidInputError: If it cannot be one.
    """
    if not _HOST_NAME.fullmatch(text):
        raise InvalidInputError(f"{text!r} is no host's name without a port, as in chat.example")
    return text


def check_origin(text: str) -> str:
    """Return a web site's origin, or `*`, as it is.

    Raises:
        InvalidInputError: If it cannot be one.
    """
    if text != ANY and not _ORIGIN.fullmatch(text.removesuffix("/")):
        raise InvalidInputError(f"{text!r} is no web site's origin, as in https://chat.example")
    return text


def listens_locally(listener: socket.socket) -> bool:
    """Return whether a bound socket is reachable from this machine only."""
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback


def _without_slash(origin: str) -> str:
    return origin.lower().removesuffix("/")
