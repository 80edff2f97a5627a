"""Judging an answer of Ollama's: a 200 is not a success until the last line says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from fuseboard.ollama.answers import UnexpectedAnswerError
from fuseboard.verdict import Ruling, Verdict

T = TypeVar("T")

_LONGEST_LINE = 16 * 1024 * 1024  # bytes; a batch of embeddings is one line
_LONGEST_ERROR_BODY = 64 * 1024  # bytes
_LONGEST_REASON = 120  # characters

_STREAMED = {"/api/generate", "/api/chat"}
_EMBEDS = {"/api/embed", "/api/embeddings"}


class OllamaJudge(Generic[T]):
    """Judges one exchange of the Ollama API.

    A status of 429 or from 500 on is a failure; so is 400 on an embedding,
    where it is how a crashed runner shows. Other statuses are the caller's
    fault. In the answer, an `error` is looked for before `done`, because some
    servers send both.

    Args:
        path: The request's path.
        read: Turns each object of a good answer into a value for `take()`; an
            object it cannot read is a failure. Without it none are kept.
    """

    def __init__(self, path: str, read: Callable[[dict[str, Any]], T] | None = None) -> None:
        self._needs_done = path in _STREAMED
        self._embeds = path in _EMBEDS
        self._to_value = read
        self._values: list[T] = []
        self._unread = bytearray()
        self._searched = 0
        self._status = 200
        self._answered = False
        self._ruling: Ruling | None = None

    def begin(self, status: int) -> None:
        """See the answer's status."""
        self._status = status

    def feed(self, data: bytes) -> None:
        """See a piece of the answer's body."""
        if self._status >= 300:
            room = _LONGEST_ERROR_BODY - len(self._unread)
            self._unread += data[:room]
            return
        if self._ruling is not None:
            return
        self._unread += data
        # Only \n ends a line: other line separators occur inside of tokens.
        while (end := self._unread.find(b"\n", self._searched)) >= 0:
            line = bytes(self._unread[:end])
            del self._unread[: end + 1]
            self._searched = 0
            self._read(line)
        self._searched = len(self._unread)
        if self._searched > _LONGEST_LINE:
            self._fail("answer is too long")

    def rule(self, *, ended: bool) -> Ruling | None:
        """Rule on what was seen so far; `None` while nothing can be said."""
        if self._status >= 300:
            return self._rule_on_status()
        if ended and self._unread and self._ruling is None:
            tail = bytes(self._unread)
            self._unread.clear()
            self._read(tail)  # the body of an answer that is not streamed has no \n
        if self._ruling is None and ended:
            if self._needs_done:
                self._fail("stream ended without done" if self._answered else "empty answer")
            elif self._answered:
                self._ruling = Ruling(Verdict.SUCCESS)
            else:
                self._fail("empty answer")
        return self._ruling

    def take(self) -> list[T]:
        """Take the values that were read since the last time."""
        values, self._values = self._values, []
        return values

    def _read(self, line: bytes) -> None:
        if self._ruling is not None or not line.strip():
            return
        try:
            item = json.loads(line)
        except (ValueError, RecursionError):
            self._fail("answer is not JSON")
            return
        if not isinstance(item, dict):
            self._fail("answer is not a JSON object")
            return
        if "error" in item:
            self._fail(f"error in the answer: {_error_text(item) or 'unnamed'}")
            return
        self._answered = True
        if self._to_value is not None:
            try:
                self._values.append(self._to_value(item))
            except UnexpectedAnswerError as error:
                self._fail(str(error))
                return
        if self._needs_done and item.get("done") is True:
            self._ruling = Ruling(Verdict.SUCCESS)

    def _fail(self, reason: str) -> None:
        self._unread.clear()
        self._ruling = Ruling(Verdict.FAILURE, reason)

    def _rule_on_status(self) -> Ruling:
        at_fault = self._status in {408, 429} or self._status >= 500
        if self._status == 400 and self._embeds:
            at_fault = True
        said = _said_in(bytes(self._unread))
        reason = f"HTTP {self._status}: {said}" if said else f"HTTP {self._status}"
        return Ruling(Verdict.FAILURE if at_fault else Verdict.IGNORED, reason)


def _said_in(body: bytes) -> str:
    """Find what an error's body says, in JSON or in plain text."""
    try:
        item = json.loads(body)
    except (ValueError, RecursionError):
        text = body.decode("utf-8", "replace").strip()
        return "" if text.startswith("<") else _shortened(text)
    return _error_text(item) if isinstance(item, dict) else ""


def _error_text(item: dict[str, Any]) -> str:
    error = item.get("error")
    if isinstance(error, dict):  # OpenAI's form, which proxies in front of Ollama use
        error = error.get("message")
    return _shortened(error) if isinstance(error, str) else ""


def _shortened(text: str) -> str:
    first_line = text.strip().partition("\n")[0]
    if len(first_line) <= _LONGEST_REASON:
        return first_line
    return first_line[: _LONGEST_REASON - 1] + "…"
