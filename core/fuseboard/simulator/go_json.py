"""JSON, times and durations in the format of Go's standard library, which Ollama uses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from starlette.responses import Response

_ESCAPED = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def go_json(content: object) -> bytes:
    """Return compact JSON in which the characters that Go escapes for HTML are escaped."""
    # A request may contain half of a surrogate pair, and repeat it here.
    return compact_json(content).encode("utf-8", "replace")


def compact_json(content: object) -> str:
    """Return the JSON of `go_json()` as a text, to be part of another JSON."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).translate(_ESCAPED)


def json_response(content: Mapping[str, object], status: int = 200) -> Response:
    """Return a response whose body is one JSON object."""
    return Response(go_json(content), status, {"Content-Type": "application/json; charset=utf-8"})


def rfc3339(unix_seconds: float) -> str:
    """Return a time in RFC 3339 format, without trailing zeros in its fraction."""
    time = datetime.fromtimestamp(unix_seconds, UTC)
    return f"{time:%Y-%m-%dT%H:%M:%S.%f}".rstrip("0").rstrip(".") + "Z"


def nanoseconds(seconds: float) -> int:
    """Return a duration in nanoseconds, the unit of Go's `time.Duration`."""
    return int(seconds * 1_000_000_000)


def omit_empty(fields: Mapping[str, object]) -> dict[str, object]:
    """Return the fields that are neither zero nor empty, as Go's `omitempty` does."""
    return {name: value for name, value in fields.items() if value}
