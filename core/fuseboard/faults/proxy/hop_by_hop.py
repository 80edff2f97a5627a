"""Headers that concern one connection only (RFC 9110, section 7.6.1)."""

from __future__ import annotations

from collections.abc import Iterable

_HOP_BY_HOP = {b"connection", b"keep-alive", b"proxy-connection", b"te", b"upgrade", b"expect"}


def end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Leave out those that go no further, and those that `Connection` names; names are lower case.

    The framing stays: h11 reads it to frame the body in the same way.
    """
    headers = list(headers)
    named = {
        word.strip().lower()
        for name, value in headers
        if name == b"connection"
        for word in value.split(b",")
    }
    dropped = _HOP_BY_HOP | named - {b"content-length", b"transfer-encoding"}
    return [(name, value) for name, value in headers if name not in dropped]
