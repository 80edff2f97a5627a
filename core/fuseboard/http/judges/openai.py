"""Judging an answer of the OpenAI API: one JSON object, or events until `[DONE]`."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import httpx

from fuseboard.breaker.outcome import Ruling, Verdict
from fuseboard.http.judge import Judge
from fuseboard.http.judges.error_message import ErrorMessage
from fuseboard.http.judges.error_response import ErrorResponse
from fuseboard.http.judges.http import HttpJudge
from fuseboard.http.judges.ndjson import InvalidResponseError, error_in_the_answer, parse_item
from fuseboard.http.judges.sse import EventParser, ServerSentEvent

_LONGEST_BODY = 16 * 1024 * 1024  # bytes
_GOOD = Ruling(Verdict.SUCCESS)

# Events of the Responses API that come before the model has said anything.
_BEFORE_THE_ANSWER = ("response.created", "response.queued", "response.in_progress")


class OpenAIJudge:
    """Judges one exchange of the OpenAI API, whoever serves it.

    408, 429 and everything from 500 on are failures, other errors the caller's
    own fault. A stream must end with `[DONE]`, or one of the Responses API
    with the event that says so; any other answer must be a JSON object, unless
    it calls itself something else (audio, a file). An `error` in it is looked
    for before anything else. JSON of more than 16 MiB is taken at its word.

    Args:
        request: The request that opens the exchange.
        failures: Statuses that this server fails with as well.
    """

    def __init__(self, request: httpx.Request, *, failures: Collection[int] = ()) -> None:
        self._words = ErrorMessage(request)
        self._failures = failures
        self._error: ErrorResponse | None = None
        self._events: EventParser | None = None
        self._body: bytearray | None = None
        self._answered = False
        self._ruling: Ruling | None = None

    @property
    def ruling(self) -> Ruling | None:
        """What is certain: an error, or that the last event was seen."""
        return self._error.ruling if self._error else self._ruling

    @property
    def answered(self) -> bool:
        """Whether an item of a good answer has been seen."""
        return self._answered

    def begin(self, status: int, headers: httpx.Headers) -> None:
        """See the head of the answer."""
        media_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if status >= 300:
            self._error = ErrorResponse(status, headers, self._words, failures=self._failures)
        elif media_type == "text/event-stream":
            self._events = EventParser()
        elif media_type in {"", "text/html"} or media_type.endswith(("/json", "+json")):
            self._body = bytearray()

    def feed(self, data: bytes) -> None:
        """See a piece of the body."""
        if self._error is not None:
            self._error.feed(data)
        elif self._events is not None:
            self._read_events(self._events.feed(data))
        elif self._body is None:
            self._answered = self._answered or bool(data)
        elif len(self._body) + len(data) <= _LONGEST_BODY:
            self._body += data
        else:
            self._body = None
            self._answered = True

    def end(self) -> Ruling:
        """Rule on the whole answer; may be asked again."""
        if self._events is not None:
            self._read_events(self._events.rest())
        if self.ruling is None:
            try:
                self._ruling = self._finish()
            except InvalidResponseError as error:
                self._ruling = Ruling(Verdict.FAILURE, str(error))
            self._body = None
        return self.ruling or _GOOD

    def _finish(self) -> Ruling:
        if self._body is not None:
            self._answered = bool(self._body.strip() and parse_item(bytes(self._body), self._words))
        if not self._answered:
            raise InvalidResponseError("empty answer")
        if self._events is not None:
            raise InvalidResponseError("stream ended without [DONE]")
        return _GOOD

    def _read_events(self, events: Iterable[ServerSentEvent]) -> None:
        if self._ruling is not None:
            return
        try:
            for event in events:
                self._read(event)
                if self._ruling is not None:
                    return
        except InvalidResponseError as error:
            self._ruling = Ruling(Verdict.FAILURE, str(error))

    def _read(self, event: ServerSentEvent) -> None:
        data = event.data.strip()
        if event.kind == b"error":
            raise error_in_the_answer(self._words.in_body(data))
        if not data:
            return
        if data == b"[DONE]":
            if not self._answered:
                raise InvalidResponseError("empty answer")
            self._ruling = _GOOD
            return
        item = parse_item(data, self._words)
        kind = item.get("type")
        if kind == "error":
            raise error_in_the_answer(self._words.in_item(item))
        if kind == "response.failed":
            response = item.get("response")
            said = self._words.in_item(response) if isinstance(response, dict) else ""
            raise error_in_the_answer(said)
        if kind in ("response.completed", "response.incomplete"):
            self._ruling = _GOOD
        self._answered = self._answered or kind not in _BEFORE_THE_ANSWER


def openai_judge(request: httpx.Request) -> Judge:
    """Make the judge of a request to a server that speaks the OpenAI API."""
    return HttpJudge(request) if request.method == "HEAD" else OpenAIJudge(request)
