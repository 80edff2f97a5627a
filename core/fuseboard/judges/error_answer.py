"""Answers whose status is a ruling already, and the words that errors bring."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

import httpx

from fuseboard.judges.retry_after import retry_after
from fuseboard.verdict import Ruling, Verdict

_LONGEST_BODY = 64 * 1024  # bytes
_LONGEST_WORDS = 120  # characters


class ErrorAnswer:
    """An answer with a status that makes it no good one; its body only says why.

    408, 429 and everything from 500 on are the server's failures; any other
    status is the caller's own fault.

    Args:
        status: The status.
        headers: The answer's headers; a failure's may say when to come back.
        failures: Statuses that this server fails with as well.
    """

    def __init__(
        self, status: int, headers: httpx.Headers, *, failures: Collection[int] = ()
    ) -> None:
        self._status = status
        self._failed = status in {408, 429} or status >= 500 or status in failures
        self._retry_after = retry_after(headers) if self._failed else None
        self._body = bytearray()

    def feed(self, data: bytes) -> None:
        """See a piece of the body."""
        self._body += data[: _LONGEST_BODY - len(self._body)]

    @property
    def ruling(self) -> Ruling:
        """The ruling, with what the body says so far as its reason."""
        verdict = Verdict.FAILURE if self._failed else Verdict.IGNORED
        said = words_in(bytes(self._body))
        reason = f"HTTP {self._status}: {said}" if said else f"HTTP {self._status}"
        return Ruling(verdict, reason, retry_after=self._retry_after)


def words_in(body: bytes) -> str:
    """Find what an error says, in JSON or in plain text; empty if it says nothing."""
    try:
        item = json.loads(body)
    except (ValueError, RecursionError):
        text = body.decode("utf-8", "replace").strip()
        # A page for people, or JSON that is not whole.
        return "" if text.startswith(("<", "{", "[")) else _shortened(text)
    return words_of(item) if isinstance(item, dict) else ""


def words_of(item: dict[str, Any]) -> str:
    """Find the words of an error that came as a JSON object; empty if it has none."""
    error = item.get("error")
    if isinstance(error, dict):  # OpenAI's form
        error = error.get("message")
    for words in (error, item.get("message"), item.get("detail")):
        if isinstance(words, str):
            return _shortened(words)
    return ""


def _shortened(text: str) -> str:
    first_line = text.strip().partition("\n")[0].rstrip()
    if len(first_line) <= _LONGEST_WORDS:
        return first_line
    return first_line[: _LONGEST_WORDS - 1] + "…"
