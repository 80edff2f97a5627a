"""Errors in the manner of the API that a request speaks."""

from __future__ import annotations

import json

_OPENAI_TYPES = {404: "not_found_error", 429: "rate_limit_error"}


def error_body(path: str, error: str, status: int = 500) -> bytes:
    """Write an error as a whole body: in Ollama's form, or below `/v1/` in OpenAI's."""
    if "/v1/" not in path:
        return json.dumps({"error": error}).encode()
    kind = _OPENAI_TYPES.get(status, "api_error")
    said = {"message": error, "type": kind, "param": None, "code": None}
    return json.dumps({"error": said}).encode()


def error_item(path: str, media_type: str, error: str) -> bytes:
    """Write an error as an item of a stream of this type: an event, or a line."""
    body = error_body(path, error)
    return b"data: %b\n\n" % body if media_type == "text/event-stream" else body + b"\n"
