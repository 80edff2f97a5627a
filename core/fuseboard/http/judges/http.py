"""Judging plain HTTP: the status, and whether the body came whole."""

from __future__ import annotations

import httpx

from fuseboard.breaker.outcome import Ruling, Verdict
from fuseboard.http.judges.error_message import ErrorMessage
from fuseboard.http.judges.error_response import ErrorResponse


class HttpJudge:
    """Judges an exchange of which nothing is known but that it is HTTP.

    408, 429 and everything from 500 on are failures, other errors are the
    caller's own fault, and all else is a success once its body has ended.
    """

    def __init__(self, request: httpx.Request) -> None:
        self._words = ErrorMessage(request)
        self._error: ErrorResponse | None = None
        self._answered = False

    @property
    def ruling(self) -> Ruling | None:
        """What the status says, if it is an error's."""
        return self._error.ruling if self._error else None

    @property
    def answered(self) -> bool:
        """Whether a byte of a good answer has been seen."""
        return self._answered

    def begin(self, status: int, headers: httpx.Headers) -> None:
        """See the head of the answer."""
        if status >= 400:
            self._error = ErrorResponse(status, headers, self._words)

    def feed(self, data: bytes) -> None:
        """See a piece of the body."""
        if self._error is not None:
            self._error.feed(data)
        elif data:
            self._answered = True

    def end(self) -> Ruling:
        """Rule on the whole answer."""
        return self.ruling or Ruling(Verdict.SUCCESS)


def http_judge(request: httpx.Request) -> HttpJudge:
    """Make the judge of any request."""
    return HttpJudge(request)
