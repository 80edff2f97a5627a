"""What the judges of all APIs of models share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from fuseboard.breaker.outcome import GOOD, Ruling, Verdict
from fuseboard.http.judge import Headers, Request
from fuseboard.http.judges.embeddings import is_embedding_route, tells_of_a_crash
from fuseboard.http.judges.error_message import ErrorMessageReader
from fuseboard.http.judges.error_response import ErrorResponse
from fuseboard.http.judges.json_object import InvalidResponseError
from fuseboard.http.judges.reported_error import ReportedError, find_error
from fuseboard.http.judges.verdict_rules import VerdictRules


class ModelJudge(ABC):
    """A judge that rules on an error status, and leaves a good body to its subclass.

    408, 425, 429 and every status from 500 on are failures, and any other status
    from 300 on is ignored, unless the body tells otherwise: the caller's own fault
    may come under a 500, and a crashed runner under a 400 on an embedding.

    Args:
        request: The request of the exchange.
        rules: The user's own rules for statuses and codes, which come first.
    """

    def __init__(self, request: Request, rules: VerdictRules) -> None:
        self._request = request
        self._rules = rules
        self._messages = ErrorMessageReader(request)
        self._embeds = is_embedding_route(request.url.path)
        self._status = 200
        self._error: ErrorResponse | None = None
        self._content_started = False
        self._ruling: Ruling | None = None

    @property
    def ruling(self) -> Ruling | None:
        """The ruling on an error or a complete response; `None` before that."""
        return self._error.ruling if self._error else self._ruling

    @property
    def content_started(self) -> bool:
        """Whether something of the model's output, or a body of another kind, has arrived."""
        return self._content_started

    def begin(self, status: int, headers: Headers) -> None:
        """Process the head of the response."""
        self._status = status
        if status >= 300:
            self._error = ErrorResponse(status, headers, self._messages, self._verdict)
        else:
            self._begin_body(headers)

    def feed(self, data: bytes) -> None:
        """Process the next chunk of the body."""
        if self._error is not None:
            self._error.feed(data)
        elif self._ruling is None and data:
            try:
                self._read_body(data)
            except InvalidResponseError as error:
                self._ruling = error.ruling

    def end(self) -> Ruling:
        """Return the ruling on the complete response; may be called again."""
        if self._error is None and self._ruling is None:
            try:
                self._end_body()
            except InvalidResponseError as error:
                self._ruling = error.ruling
        return self.ruling or GOOD

    @abstractmethod
    def _begin_body(self, headers: Headers) -> None:
        """Prepare for the body of a response with a good status."""

    @abstractmethod
    def _read_body(self, data: bytes) -> None:
        """Process the next chunk of such a body; raise if it is no success."""

    @abstractmethod
    def _end_body(self) -> None:
        """Check such a body at its end; raise if it is no success."""

    def _require_no_error(self, parsed: Any) -> None:
        """Raise if a parsed object reports an error, which some send together with `done`."""
        if (error := find_error(parsed)) is not None:
            raise self._reported(error)

    def _reported(self, error: ReportedError) -> InvalidResponseError:
        """Return the exception for an error that is reported inside a response."""
        message = self._messages.clean(error.message) or "unnamed"
        return InvalidResponseError(
            f"error in the answer: {message}", self._verdict(self._status, error)
        )

    def _verdict(self, status: int, error: ReportedError) -> Verdict:
        chosen = self._rules.chosen(status, error)
        if chosen is None and self._embeds and status == 400 and tells_of_a_crash(error.message):
            return Verdict.FAILURE
        return chosen or self._rules.model_verdict(status, error)
