"""Error bodies in the format of the requested API."""

from __future__ import annotations

import json

_OPENAI_TYPES = {404: "not_found_error", 429: "rate_limit_error"}


def error_body(path: str, message: str, status: int = 500) -> bytes:
    """Return an error as a JSON body: in OpenAI's format below `/v1/`, else in Ollama's."""
    if "/v1/" not in path:  # not at the start only: a server may have a base path
        return json.dumps({"error": message}).encode()
    kind = _OPENAI_TYPES.get(status, "api_error")
    error = {"message": message, "type": kind, "param": None, "code": None}
    return json.dumps({"error": error}).encode()


def stream_error(path: str, media_type: str, message: str) -> bytes:
    """Return an error as it appears within a stream: a server-sent event or a line."""
    body = error_body(path, message)
    return b"data: %b\n\n" % body if media_type == "text/event-stream" else body + b"\n"
