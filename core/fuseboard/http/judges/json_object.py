"""Parsing the JSON of a response."""

from __future__ import annotations

import json
from typing import Any

from fuseboard.breaker.outcome import Ruling, Verdict

TOO_LONG = "answer is too long"
"""The reason for a response, or a part of one, that exceeds its limit."""


class InvalidResponseError(Exception):
    """The content of a response is no success; the message is the reason of the ruling.

    Args:
        reason: The reason.
        verdict: `FAILURE`, or `IGNORED` where the content tells that the caller is at fault.
    """

    def __init__(self, reason: str, verdict: Verdict = Verdict.FAILURE) -> None:
        super().__init__(reason)
        self.ruling = Ruling(verdict, reason)


def parse_json(data: bytes) -> Any:
    """Parse JSON.

    Raises:
        InvalidResponseError: If the data is no JSON, or nested too deeply.
    """
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise InvalidResponseError("answer is not JSON") from None


def require_object(parsed: Any) -> dict[str, Any]:
    """Return a parsed JSON object.

    Raises:
        InvalidResponseError: If it is no object.
    """
    if not isinstance(parsed, dict):
        raise InvalidResponseError("answer is not a JSON object")
    return parsed
