"""Removing the headers that concern one connection only (RFC 9110, section 7.6.1)."""

from __future__ import annotations

from collections.abc import Iterable

_HOP_BY_HOP = {b"connection", b"keep-alive", b"proxy-connection", b"te", b"upgrade", b"expect"}


def end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers without the hop-by-hop ones and those that `Connection` names.

    Header names must be lower case. `Content-Length` and `Transfer-Encoding` stay:
    h11 frames the forwarded body by them.
    """
    headers = list(headers)
    named = {
        token.strip().lower()
        for name, value in headers
        if name == b"connection"
        for token in value.split(b",")
    }
    dropped = _HOP_BY_HOP | named - {b"content-length", b"transfer-encoding"}
    return [(name, value) for name, value in headers if name not in dropped]
