"""The judge of plain HTTP: the status, and whether the body arrived whole."""

from __future__ import annotations

from collections.abc import Callable

from fuseboard.breaker.outcome import GOOD, Ruling, Verdict
from fuseboard.http.judge import Headers, Request
from fuseboard.http.judges.error_message import ErrorMessageReader
from fuseboard.http.judges.error_response import ErrorResponse
from fuseboard.http.judges.reported_error import ReportedError
from fuseboard.http.judges.verdict_rules import NO_RULES, VerdictRules


class HttpJudge:
    """Judge an exchange without knowledge of what its body means.

    408, 425, 429 and every status from 500 on are failures. Any other 4xx is the
    caller's own fault and a success, which gives the status as its reason: a
    service that finds fault with a request lives. 407 and 499 say nothing about
    the service. Everything else is a success once its body has ended.

    Args:
        request: The request of the exchange.
        decide: Returns the verdict on an error status; by default as above.
    """

    def __init__(
        self,
        request: Request,
        decide: Callable[[int, ReportedError], Verdict] = NO_RULES.http_verdict,
    ) -> None:
        self._messages = ErrorMessageReader(request)
        self._decide = decide
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

    def begin(self, status: int, headers: Headers) -> None:
        """Process the head of the response."""
        if status >= 400:
            self._error = ErrorResponse(status, headers, self._messages, self._decide)

    def feed(self, data: bytes) -> None:
        """Process the next chunk of the body."""
        if self._error is not None:
            self._error.feed(data)
        elif data:
            self._content_started = True

    def end(self) -> Ruling:
        """Return the ruling on the complete response."""
        return self.ruling or GOOD


def http_judge(request: Request, rules: VerdictRules = NO_RULES) -> HttpJudge:
    """Return the judge of a request to any HTTP server."""
    return HttpJudge(request, rules.http_verdict)
