"""Addresses as they are shown: without what may be a secret in them."""

from __future__ import annotations

import re

_MASK = "…"
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")
_URL = re.compile(rf"{_SCHEME.pattern}[^\s\"'`<>\\]+")  # it must not take an escaped quote along
_HOST = re.compile(r"(\[[0-9a-fA-F:.]*\]|[\w.-]+)(:[0-9]*)?")
_END_OF_AUTHORITY = re.compile("[/?#]")
_QUERY = re.compile("[?#]")
_VALUE = re.compile(r"[^&;#?]+")


def mask_urls(text: str) -> str:
    """Return a text in which every URL is masked as `mask_url()` does."""
    return _URL.sub(lambda url: mask_url(url[0]), text) if "://" in text else text


def mask_url(url: str) -> str:
    """Return an address, with or without a scheme, without user, password and values of its query.

    `http://user:password@host/?token=secret` becomes `http://…@host/?token=…`. What is
    sent keeps them.
    """
    scheme = _SCHEME.match(url)
    start = scheme.end() if scheme else 0
    rest = url[start:]
    authority = _END_OF_AUTHORITY.split(rest, maxsplit=1)[0]
    if not _HOST.fullmatch(authority.rpartition("@")[2]):
        authority = rest  # a password may have been written with a slash in it
    if "@" in authority:
        rest = f"{_MASK}@{rest[authority.rindex('@') + 1 :]}"
    query = _QUERY.search(rest)
    end = query.start() if query else len(rest)
    return f"{url[:start]}{rest[:end]}{_VALUE.sub(_masked, rest[end:])}"


def _masked(part: re.Match[str]) -> str:
    name, equals, _ = part[0].partition("=")
    return f"{name}={_MASK}" if equals else _MASK
