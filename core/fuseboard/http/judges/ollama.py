"""Judging an answer of Ollama's: a 200 is not a success until the last line says so."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any, Generic, TypeVar

import httpx

from fuseboard.breaker.outcome import Ruling, Verdict
from fuseboard.http.judge import Judge
from fuseboard.http.judges.error_message import ErrorMessage
from fuseboard.http.judges.error_response import ErrorResponse
from fuseboard.http.judges.http import HttpJudge
from fuseboard.http.judges.ndjson import TOO_LONG, InvalidResponseError, LineSplitter, parse_item
from fuseboard.http.judges.openai import OpenAIJudge

T = TypeVar("T")

_STREAMED = ("/api/generate", "/api/chat")
_EMBEDS = ("/api/embed", "/api/embeddings", "/v1/embeddings")
_SAYS_NOTHING = ("/api/copy", "/api/delete")  # nor does anything below /api/blobs/

_GOOD = Ruling(Verdict.SUCCESS)
_A_CRASH_TOO = frozenset({400})  # what a crashed runner shows as on an embedding


class UnexpectedResponseError(ValueError):
    """An answer has another shape than the API promises; the message is fit for a reason."""


class OllamaJudge(Generic[T]):
    """Judges one exchange of Ollama's own API.

    408, 429 and everything from 500 on are failures; so is 400 on an
    embedding, where it is how a crashed runner shows. Other statuses are the
    caller's fault. The answer is one JSON object a line; an `error` in it is
    looked for before `done`.

    Args:
        request: The request that opens the exchange.
        read: Turns each object of a good answer into a value for `take()`; one
            that it raises `UnexpectedResponseError` on is a failure. Without it
            none are kept.
        longest: Bytes that a good answer may have; one that is longer is a
            failure. Without it, only a line of it can be too long.
    """

    def __init__(
        self,
        request: httpx.Request,
        read: Callable[[dict[str, Any]], T] | None = None,
        *,
        longest: float = inf,
    ) -> None:
        self._needs_done = request.url.path.endswith(_STREAMED)
        self._failures = _A_CRASH_TOO if request.url.path.endswith(_EMBEDS) else frozenset[int]()
        self._words = ErrorMessage(request)
        self._to_value = read
        self._room = longest
        self._values: list[T] = []
        self._lines = LineSplitter()
        self._error: ErrorResponse | None = None
        self._answered = False
        self._ruling: Ruling | None = None

    @property
    def ruling(self) -> Ruling | None:
        """What is certain: an error, or that the last line was seen."""
        return self._error.ruling if self._error else self._ruling

    @property
    def answered(self) -> bool:
        """Whether an object of a good answer has been seen."""
        return self._answered

    def begin(self, status: int, headers: httpx.Headers) -> None:
        """See the head of the answer."""
        if status >= 300:
            self._error = ErrorResponse(status, headers, self._words, failures=self._failures)

    def feed(self, data: bytes) -> None:
        """See a piece of the body."""
        if self._error is not None:
            self._error.feed(data)
        elif self._ruling is None:
            try:
                # Only \n ends a line: other line separators occur inside of tokens.
                for line in self._lines.feed(data):
                    self._read(line)
                    if self._ruling is not None:
                        return
                self._require_room(len(data))
            except InvalidResponseError as error:
                self._fail(error)

    def end(self) -> Ruling:
        """Rule on the whole answer; may be asked again."""
        if self.ruling is None:
            try:
                self._read(self._lines.rest())  # an answer that is not streamed has no \n
            except InvalidResponseError as error:
                self._fail(error)
        if self.ruling is None:
            if not self._answered:
                self._fail("empty answer")
            elif self._needs_done:
                self._fail("stream ended without done")
            else:
                self._ruling = _GOOD
        return self.ruling or _GOOD

    def take(self) -> list[T]:
        """Take the values that were read since the last time."""
        values, self._values = self._values, []
        return values

    def _read(self, line: bytes) -> None:
        if not line.strip():
            return
        item = parse_item(line, self._words)
        if self._to_value is not None:
            try:
                self._values.append(self._to_value(item))
            except UnexpectedResponseError as error:
                raise InvalidResponseError(str(error)) from error
        self._answered = True
        if self._needs_done and item.get("done") is True:
            self._ruling = _GOOD

    def _require_room(self, length: int) -> None:
        self._room -= length
        if self._room < 0:
            raise InvalidResponseError(TOO_LONG)

    def _fail(self, reason: object) -> None:
        self._ruling = Ruling(Verdict.FAILURE, str(reason))


def ollama_judge(request: httpx.Request) -> Judge:
    """Make the judge of a request to Ollama, by whichever of its APIs it goes."""
    path = request.url.path
    own, openai = path.rfind("/api/"), path.rfind("/v1/")  # a base path may hold one as well
    if request.method == "HEAD" or own == openai:
        return HttpJudge(request)
    if openai > own:
        return OpenAIJudge(request, failures=_A_CRASH_TOO if path.endswith(_EMBEDS) else ())
    if path.endswith(_SAYS_NOTHING) or path.startswith("/api/blobs/", own):
        return HttpJudge(request)
    return OllamaJudge[object](request)
