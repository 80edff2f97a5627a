"""The judge of Ollama's own API: a 200 is no success until the last line says `done`."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any, Generic, TypeVar

import httpx

from fuseboard.breaker.outcome import GOOD, Ruling, Verdict
from fuseboard.http.judge import Judge
from fuseboard.http.judges.error_message import ErrorMessageReader
from fuseboard.http.judges.error_response import ErrorResponse
from fuseboard.http.judges.http import HttpJudge
from fuseboard.http.judges.json_object import TOO_LONG, InvalidResponseError, parse_object
from fuseboard.http.judges.ndjson import LineSplitter
from fuseboard.http.judges.openai import OpenAIJudge

T = TypeVar("T")

_TEXT_PATHS = ("/api/generate", "/api/chat")
_EMBEDDING_PATHS = ("/api/embed", "/api/embeddings", "/v1/embeddings")
_PATHS_WITHOUT_BODY = ("/api/copy", "/api/delete")  # so is everything below /api/blobs/

_RUNNER_CRASHED = frozenset({400})  # how Ollama reports a crashed runner on an embedding


class OllamaJudge(Generic[T]):
    """Judge one exchange of Ollama's own API.

    408, 429 and every status from 500 on are failures; so is 400 on an
    embedding, which is how Ollama reports a crashed runner. Other error
    statuses are the caller's error and are ignored. The body is one JSON object
    on each line; an `error` in one is looked for before `done`.

    Args:
        request: The request of the exchange.
        read: Converts each object of a good response to a value for
            `take_values()`; the response is a failure if it raises
            `InvalidResponseError`. Without it no values are stored.
        max_bytes: The size limit of a good response; a larger one is a failure.
            Without it only the length of a line is limited.
    """

    def __init__(
        self,
        request: httpx.Request,
        read: Callable[[dict[str, Any]], T] | None = None,
        *,
        max_bytes: float = inf,
    ) -> None:
        path = request.url.path
        self._needs_done = path.endswith(_TEXT_PATHS)
        self._failures = _RUNNER_CRASHED if path.endswith(_EMBEDDING_PATHS) else frozenset[int]()
        self._messages = ErrorMessageReader(request)
        self._to_value = read
        self._bytes_left = max_bytes
        self._values: list[T] = []
        self._lines = LineSplitter()
        self._error: ErrorResponse | None = None
        self._content_started = False
        self._ruling: Ruling | None = None

    @property
    def ruling(self) -> Ruling | None:
        """The ruling on an error or a complete response; `None` before that."""
        return self._error.ruling if self._error else self._ruling

    @property
    def content_started(self) -> bool:
        """Whether an object of a good response has arrived."""
        return self._content_started

    def begin(self, status: int, headers: httpx.Headers) -> None:
        """Process the head of the response."""
        if status >= 300:
            self._error = ErrorResponse(status, headers, self._messages, failures=self._failures)

    def feed(self, data: bytes) -> None:
        """Process the next chunk of the body."""
        if self._error is not None:
            self._error.feed(data)
        elif self._ruling is None:
            try:
                # Only \n ends a line: other line separators occur inside of tokens.
                for line in self._lines.feed(data):
                    self._read(line)
                    if self._ruling is not None:
                        return
                self._count_bytes(len(data))
            except InvalidResponseError as error:
                self._fail(error)

    def end(self) -> Ruling:
        """Return the ruling on the complete response; may be called again."""
        if self.ruling is None:
            try:
                self._read(self._lines.rest())  # a response that is not streamed has no \n
            except InvalidResponseError as error:
                self._fail(error)
        if self.ruling is None:
            if not self._content_started:
                self._fail("empty answer")
            elif self._needs_done:
                self._fail("stream ended without done")
            else:
                self._ruling = GOOD
        return self.ruling or GOOD

    def take_values(self) -> list[T]:
        """Remove and return the values read since the last call."""
        values, self._values = self._values, []
        return values

    def _read(self, line: bytes) -> None:
        if not line.strip():
            return
        parsed = parse_object(line, self._messages)
        if self._to_value is not None:
            self._values.append(self._to_value(parsed))
        self._content_started = True
        if self._needs_done and parsed.get("done") is True:
            self._ruling = GOOD

    def _count_bytes(self, count: int) -> None:
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise InvalidResponseError(TOO_LONG)

    def _fail(self, reason: object) -> None:
        self._ruling = Ruling(Verdict.FAILURE, str(reason))


def ollama_judge(request: httpx.Request) -> Judge:
    """Return the judge of a request to Ollama, chosen by the API that the path belongs to."""
    path = request.url.path
    own, openai = path.rfind("/api/"), path.rfind("/v1/")  # a base path may contain one as well
    if request.method == "HEAD" or own == openai:
        return HttpJudge(request)
    if openai > own:
        crashed = _RUNNER_CRASHED if path.endswith(_EMBEDDING_PATHS) else ()
        return OpenAIJudge(request, failures=crashed)
    if path.endswith(_PATHS_WITHOUT_BODY) or path.startswith("/api/blobs/", own):
        return HttpJudge(request)
    return OllamaJudge[object](request)
