"""Writing JSON, moments and durations as Go does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from starlette.responses import Response

_ESCAPED = {ord(mark): f"\\u{ord(mark):04x}" for mark in "<>&\u2028\u2029"}


def go_json(content: object) -> bytes:
    """Write compact JSON; what could be taken for markup is escaped, as Go does."""
    written = json.dumps(content, ensure_ascii=False, separators=(",", ":")).translate(_ESCAPED)
    return written.encode("utf-8", "replace")  # a request may bring half of a surrogate pair


def json_response(content: Mapping[str, object], status: int = 200) -> Response:
    """Answer with one object."""
    return Response(go_json(content), status, {"Content-Type": "application/json; charset=utf-8"})


def rfc3339(unix_seconds: float) -> str:
    """Write a moment; zeros at the end of its fraction are left out."""
    moment = datetime.fromtimestamp(unix_seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}".rstrip("0").rstrip(".") + "Z"


def nanoseconds(seconds: float) -> int:
    """Write a duration."""
    return int(seconds * 1_000_000_000)


def without_zeros(fields: Mapping[str, object]) -> dict[str, object]:
    """Leave out what is zero or empty, as Go does where a field says `omitempty`."""
    return {name: value for name, value in fields.items() if value}
