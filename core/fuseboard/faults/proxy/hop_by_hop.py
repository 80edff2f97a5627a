"""Removing the headers that concern one connection only (RFC 9110, section 7.6.1)."""

from __future__ import annotations

from collections.abc import Iterable

_HOP_BY_HOP = {b"connection", b"keep-alive", b"proxy-connection", b"te", b"upgrade", b"expect"}


def end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers without the hop-by-hop ones and those that `Connection` names.

    Header names must be lower case. `Content-Length` and `Transfer-Encoding` stay:
    h11 frames the forwarded body by them. Beside a `Transfer-Encoding` a
    `Content-Length` is dropped (RFC 9112, section 6.3): whoever reads that one would
    see another end of the message.
    """
    headers = list(headers)
    named = {
        token.strip().lower()
        for name, value in headers
        if name == b"connection"
        for token in value.split(b",")
    }
    dropped = _HOP_BY_HOP | named - {b"content-length", b"transfer-encoding"}
    if any(name == b"transfer-encoding" for name, _ in headers):
        dropped.add(b"content-length")
    return [(name, value) for name, value in headers if name not in dropped]
