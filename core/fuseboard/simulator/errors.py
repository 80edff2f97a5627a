"""The error responses of the APIs."""

from __future__ import annotations

import secrets


class ApiError(Exception):
    """An error response to a request; its message is sent to the client.

    Must be raised before the response starts, since it determines the HTTP status.
    """

    def __init__(self, status: int, message: str, *, cuts_request: bool = False) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status."""
        self.cuts_request = cuts_request
        """Whether the request has not arrived as a whole, and is not wanted."""


_OPENAI_TYPES = {400: "invalid_request_error", 404: "not_found_error"}

_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    404: "not_found_error",
    503: "overloaded_error",
}


def ollama_error(error: ApiError) -> dict[str, object]:
    """Return the body of the error in Ollama's format."""
    return {"error": str(error)}


def openai_error(error: ApiError) -> dict[str, object]:
    """Return the body of the error in OpenAI's format."""
    kind = _OPENAI_TYPES.get(error.status, "api_error")
    return {"error": {"message": str(error), "type": kind, "param": None, "code": None}}


def anthropic_error(error: ApiError) -> dict[str, object]:
    """Return the body of the error in Anthropic's format."""
    kind = _ANTHROPIC_TYPES.get(error.status, "api_error")
    return {
        "type": "error",
        "error": {"type": kind, "message": str(error)},
        "request_id": f"req_{secrets.token_hex(12)}",
    }
