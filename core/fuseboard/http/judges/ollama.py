"""The judge of Ollama's own API: a 200 is no success until the last line says `done`."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import inf
from typing import Any, Generic, TypeVar

from fuseboard.breaker.outcome import GOOD
from fuseboard.http.judge import Headers, Judge, Request
from fuseboard.http.judges.embeddings import check_embeddings
from fuseboard.http.judges.http import HttpJudge
from fuseboard.http.judges.json_object import (
    TOO_LONG,
    InvalidResponseError,
    parse_json,
    require_object,
)
from fuseboard.http.judges.model_api import ModelApiJudge
from fuseboard.http.judges.model_judge import ModelJudge
from fuseboard.http.judges.ndjson import LineSplitter
from fuseboard.http.judges.verdict_rules import NO_RULES, VerdictRules

T = TypeVar("T")

_TEXT_PATHS = ("/api/generate", "/api/chat")
_TRANSFER_PATHS = ("/api/pull", "/api/push", "/api/create")
_WITHOUT_BODY = re.compile(r"/api/(?:copy|delete|blobs/[^/]+)$")
_OWN_ROUTE = re.compile(
    r"/api/(?:generate|chat|embed|embeddings|tags|ps|show|version|pull|push|create|copy|delete"
    r"|blobs/[^/]+)$"
)


class OllamaJudge(ModelJudge, Generic[T]):
    """Judge one exchange of Ollama's own API.

    The body is one JSON object on each line. An `error` in one is looked for
    first; a text must end with `done`, and a model that is pulled, pushed or
    created with the status `success`. Embeddings must be numbers, one list for
    each input. A 400 on an embedding is a failure where its message tells of a
    crashed runner, which is how Ollama reports that.

    Args:
        request: The request of the exchange.
        read: Converts each object of a good response to a value for
            `take_values()`; the response is a failure if it raises
            `InvalidResponseError`. Without it no values are stored.
        rules: The user's own rules for statuses and codes.
        max_bytes: The size limit of a good response; a larger one is a failure.
            Without it only the length of a line is limited.
    """

    def __init__(
        self,
        request: Request,
        read: Callable[[dict[str, Any]], T] | None = None,
        *,
        rules: VerdictRules = NO_RULES,
        max_bytes: float = inf,
    ) -> None:
        super().__init__(request, rules)
        path = request.url.path
        self._is_text = path.endswith(_TEXT_PATHS)
        self._is_transfer = path.endswith(_TRANSFER_PATHS)
        self._to_value = read
        self._bytes_left = max_bytes
        self._values: list[T] = []
        self._lines = LineSplitter()
        self._seen = False

    def take_values(self) -> list[T]:
        """Remove and return the values read since the last call."""
        values, self._values = self._values, []
        return values

    def _begin_body(self, headers: Headers) -> None:
        pass

    def _read_body(self, data: bytes) -> None:
        # Only \n ends a line: other line separators occur inside of tokens.
        for line in self._lines.feed(data):
            self._read(line)
            if self._ruling is not None:
                return
        self._bytes_left -= len(data)
        if self._bytes_left < 0:
            raise InvalidResponseError(TOO_LONG)

    def _end_body(self) -> None:
        self._read(self._lines.rest())  # a response that is not streamed has no \n
        if self._ruling is not None:
            return
        if not self._seen:
            raise InvalidResponseError("empty answer")
        if self._is_text:
            raise InvalidResponseError("stream ended without done")
        if self._is_transfer:
            raise InvalidResponseError("stream ended without success")
        self._ruling = GOOD

    def _read(self, line: bytes) -> None:
        if not line.strip():
            return
        parsed = parse_json(line)
        self._require_no_error(parsed)
        item = require_object(parsed)
        if self._to_value is not None:
            self._values.append(self._to_value(item))
        elif self._embeds:
            check_embeddings(item, self._request)
        self._seen = True
        done = item.get("done") is True or bool(item.get("done_reason"))
        self._content_started = self._content_started or done or _has_output(item)
        if (self._is_text and done) or (self._is_transfer and item.get("status") == "success"):
            self._ruling = GOOD


def _has_output(item: dict[str, Any]) -> bool:
    """Return whether a chunk carries something: text, thoughts, tool calls; or is no chunk."""
    message = item.get("message")
    if isinstance(message, dict):
        return any(value for name, value in message.items() if name != "role")
    if "response" in item or "thinking" in item:
        return bool(item.get("response") or item.get("thinking") or item.get("tool_calls"))
    return True


def is_ollamas_own(path: str) -> bool:
    """Return whether a path is one of Ollama's own API, below any other."""
    return _OWN_ROUTE.search(path) is not None


def ollama_judge(request: Request, rules: VerdictRules = NO_RULES) -> Judge:
    """Return the judge of a request to Ollama, chosen by the API that the path belongs to."""
    path = request.url.path
    own, other = path.rfind("/api/"), path.rfind("/v1/")  # a base path may contain one as well
    if request.method == "HEAD" or own == other or _WITHOUT_BODY.search(path):
        return HttpJudge(request, rules.model_verdict)
    return (
        ModelApiJudge(request, rules) if other > own else OllamaJudge[object](request, rules=rules)
    )
