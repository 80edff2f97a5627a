"""Reading when a server wants to be asked again."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import inf

import httpx


def retry_after(headers: httpx.Headers) -> float | None:
    """Read `Retry-After`, in either of its forms, as seconds from now; `None` without a sound one.

    A point in time is taken relative to the answer's own `Date`, if it has
    one: the server's clock may not be ours.
    """
    said = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", said):
        seconds = float(said)
        return seconds if seconds < inf else None
    then = _point_in_time(said)
    if then is None:
        return None
    now = _point_in_time(headers.get("Date", "")) or datetime.now(UTC)
    return max(0.0, (then - now).total_seconds())


def _point_in_time(text: str) -> datetime | None:
    try:
        point = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    # `-0000` makes a time without a zone, which in HTTP is UTC.
    return point if point.tzinfo else point.replace(tzinfo=UTC)
