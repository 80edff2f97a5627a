"""The judge of plain HTTP: the status, and whether the body arrived whole."""

from __future__ import annotations

import httpx

from fuseboard.breaker.outcome import GOOD, Ruling
from fuseboard.http.judges.error_message import ErrorMessageReader
from fuseboard.http.judges.error_response import ErrorResponse


class HttpJudge:
    """Judge an exchange without knowledge of what its body means.

    408, 429 and every status from 500 on are failures; other error statuses
    are the caller's error and are ignored; everything else is a success once
    its body has ended.
    """

    def __init__(self, request: httpx.Request) -> None:
        self._messages = ErrorMessageReader(request)
        self._error: ErrorResponse | None = None
        self._content_started = False

    @property
    def ruling(self) -> Ruling | None:
        """The ruling on an error status; `None` for any other."""
        return self._error.ruling if self._error else None

    @property
    def content_started(self) -> bool:
        """Whether a byte of a good response has arrived."""
        return self._content_started

    def begin(self, status: int, headers: httpx.Headers) -> None:
        """Process the head of the response."""
        if status >= 400:
            self._error = ErrorResponse(status, headers, self._messages)

    def feed(self, data: bytes) -> None:
        """Process the next chunk of the body."""
        if self._error is not None:
            self._error.feed(data)
        elif data:
            self._content_started = True

    def end(self) -> Ruling:
        """Return the ruling on the complete response."""
        return self.ruling or GOOD


def http_judge(request: httpx.Request) -> HttpJudge:
    """Return the judge of a request to any HTTP server."""
    return HttpJudge(request)
