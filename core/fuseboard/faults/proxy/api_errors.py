"""Errors in the form of the requested API."""

from __future__ import annotations

import json
from typing import Any

from fuseboard.faults.apis import Api

_OPENAI_TYPES = {404: "not_found_error", 429: "rate_limit_error", 529: "overloaded_error"}
_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}
_GEMINI_STATUSES = {
    400: "INVALID_ARGUMENT",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    529: "UNAVAILABLE",
}


def error_body(
    api: Api, message: str, status: int = 500, retry_after: float | None = None
) -> bytes:
    """Return an error as a JSON body.

    Args:
        api: Whose form it has.
        message: What the error says.
        status: The status that it comes with, or would come with.
        retry_after: Seconds to wait; only Gemini says them in the body.
    """
    return json.dumps(_error(api, message, status, retry_after)).encode()


def stream_error(api: Api, media_type: str, message: str) -> bytes:
    """Return an error as it appears within a stream: a server-sent event or a line."""
    body = error_body(api, message)
    if media_type != "text/event-stream":
        return body + b"\n"
    name = b"event: error\n" if api is Api.ANTHROPIC else b""
    return b"%bdata: %b\n\n" % (name, body)


def _error(api: Api, message: str, status: int, retry_after: float | None) -> object:
    match api:
        case Api.OLLAMA:
            return {"error": message}
        case Api.OPENAI:
            kind = _OPENAI_TYPES.get(status, "api_error")
            return {"error": {"message": message, "type": kind, "param": None, "code": None}}
        case Api.ANTHROPIC:
            kind = _ANTHROPIC_TYPES.get(status, "api_error")
            return {"type": "error", "error": {"type": kind, "message": message}}
        case Api.GEMINI | Api.GEMINI_AS_OPENAI:
            kind = _GEMINI_STATUSES.get(status, "INTERNAL")
            error: dict[str, Any] = {"code": status, "message": message, "status": kind}
            if retry_after is not None:
                retry_info = "type.googleapis.com/google.rpc.RetryInfo"
                error["details"] = [{"@type": retry_info, "retryDelay": f"{retry_after:g}s"}]
            return [{"error": error}] if api is Api.GEMINI_AS_OPENAI else {"error": error}
