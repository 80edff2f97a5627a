"""How long a service asks its clients to wait, in the forms in which it is said."""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime, timedelta
from math import isfinite

_NUMBER = re.compile(r"[0-9]+(\.[0-9]*)?|\.[0-9]+")
_MAX_TEXT = 100  # characters; no form is longer

_logger = logging.getLogger(__name__)
_unreadable: set[str] = set()
_MOST_UNREADABLE = 100


def read_retry_after(value: object, now: datetime | None = None) -> float | None:
    """Return a `Retry-After` in seconds from now; `None` if it is absent or cannot be read.

    What cannot be read is logged once.

    Args:
        value: Seconds as a number or as text, a `timedelta`, or a date: a
            `datetime` or the text of RFC 9110 (10.2.3). Where a text has
            several, separated as one joins equal headers, the longest counts.
        now: What a date is relative to; by default the present time.
    """
    if value is None or value == "":
        return None
    seconds = _seconds(value, now)
    if seconds is None or not isfinite(seconds):
        _log_once(value)
        return None
    return max(0.0, seconds)


def _seconds(value: object, now: datetime | None) -> float | None:
    match value:
        case bool():
            return None
        case int() | float():
            return _to_float(value)
        case timedelta():
            return value.total_seconds()
        case datetime():
            return _until(value, now)
        case bytes():
            return _seconds_of_text(value.decode("latin-1"), now)
        case str():
            return _seconds_of_text(value, now)
        case _:
            return None


def _to_float(number: float) -> float | None:
    try:
        return float(number)
    except OverflowError:
        return None


def _seconds_of_text(text: str, now: datetime | None) -> float | None:
    text = text.strip()
    if len(text) > _MAX_TEXT:
        return None
    if _NUMBER.fullmatch(text):
        return float(text)
    parts = [part.strip() for part in text.split(",")]
    if all(map(_NUMBER.fullmatch, parts)):
        return max(map(float, parts))
    date = parse_http_date(text)
    return None if date is None else _until(date, now)


def parse_http_date(text: str) -> datetime | None:
    """Return a date of RFC 9110 (5.6.7), with its time zone; `None` if it is none."""
    from email.utils import parsedate_to_datetime

    try:
        return _aware(parsedate_to_datetime(text))
    except (ValueError, OverflowError):
        return None


def _until(date: datetime, now: datetime | None) -> float:
    return (_aware(date) - _aware(now or datetime.now(UTC))).total_seconds()


def _aware(date: datetime) -> datetime:
    # `-0000` is parsed as no time zone; in HTTP it is UTC.
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _log_once(value: object) -> None:
    key = repr(value)[:_MAX_TEXT]
    if key not in _unreadable and len(_unreadable) < _MOST_UNREADABLE:
        _unreadable.add(key)
        _logger.warning("a retry_after of %s cannot be read: it takes seconds or a date", key)
