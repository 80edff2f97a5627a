"""Requests that are refused, in the words of both APIs."""

from __future__ import annotations


class RefusedError(Exception):
    """A request that is answered with an error; its text goes to the client.

    It is raised before the first token, so that it makes a real status.
    """

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status
        """The HTTP status."""


_OPENAI_TYPES = {400: "invalid_request_error", 404: "not_found_error"}


def ollama_error(refused: RefusedError) -> dict[str, object]:
    """Write it as Ollama's own routes do."""
    return {"error": str(refused)}


def openai_error(refused: RefusedError) -> dict[str, object]:
    """Write it as the routes below `/v1/` do."""
    kind = _OPENAI_TYPES.get(refused.status, "api_error")
    return {"error": {"message": str(refused), "type": kind, "param": None, "code": None}}
