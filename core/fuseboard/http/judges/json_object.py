"""Parsing the JSON objects of a response, and recognizing an error reported in one."""

from __future__ import annotations

import json
from typing import Any

from fuseboard.http.judges.error_message import ErrorMessageReader

TOO_LONG = "answer is too long"
"""The reason for a response, or a part of one, that exceeds its limit."""


class InvalidResponseError(Exception):
    """The content of a response is invalid; the message is the reason of the ruling."""


def parse_object(data: bytes, messages: ErrorMessageReader) -> dict[str, Any]:
    """Parse one JSON object; `messages` extracts the message of an error in it.

    An `error` is looked for first: some servers send it together with `done`.

    Raises:
        InvalidResponseError: If the data is no JSON object, or reports an error.
    """
    try:
        parsed = json.loads(data)
    except (ValueError, RecursionError):
        raise InvalidResponseError("answer is not JSON") from None
    if not isinstance(parsed, dict):
        raise InvalidResponseError("answer is not a JSON object")
    if parsed.get("error"):
        raise reported_error(messages.from_object(parsed))
    return parsed


def reported_error(message: str) -> InvalidResponseError:
    """Return the exception for an error that the server reported inside its response."""
    return InvalidResponseError(f"error in the answer: {message or 'unnamed'}")
