"""The judge of the OpenAI API: one JSON object, or events that end with `[DONE]`."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import httpx

from fuseboard.breaker.outcome import GOOD, Ruling, Verdict
from fuseboard.http.judge import Judge
from fuseboard.http.judges.error_message import ErrorMessageReader
from fuseboard.http.judges.error_response import ErrorResponse
from fuseboard.http.judges.http import HttpJudge
from fuseboard.http.judges.json_object import InvalidResponseError, parse_object, reported_error
from fuseboard.http.judges.sse import EventParser, ServerSentEvent

_MAX_BODY = 16 * 1024 * 1024  # bytes

# Events of the Responses API that precede the first output of the model.
_EVENTS_BEFORE_CONTENT = ("response.created", "response.queued", "response.in_progress")


class OpenAIJudge:
    """Judge one exchange of the OpenAI API, whichever server implements it.

    408, 429 and every status from 500 on are failures; other error statuses
    are the caller's error and are ignored. A stream must end with `[DONE]`, or
    with the final event of the Responses API. Any other body must be a JSON
    object, unless its media type says otherwise (audio, a file). An `error`
    is looked for first. JSON of more than 16 MiB is accepted unread.

    Args:
        request: The request of the exchange.
        failures: Further statuses that are failures of this server.
    """

    def __init__(self, request: httpx.Request, *, failures: Collection[int] = ()) -> None:
        self._messages = ErrorMessageReader(request)
        self._failures = failures
        self._error: ErrorResponse | None = None
        self._events: EventParser | None = None
        self._body: bytearray | None = None
        self._content_started = False
        self._ruling: Ruling | None = None

    @property
    def ruling(self) -> Ruling | None:
        """The ruling on an error or a complete stream; `None` before that."""
        return self._error.ruling if self._error else self._ruling

    @property
    def content_started(self) -> bool:
        """Whether an event with output of the model, or a body, has arrived."""
        return self._content_started

    def begin(self, status: int, headers: httpx.Headers) -> None:
        """Process the head of the response."""
        media_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if status >= 300:
            self._error = ErrorResponse(status, headers, self._messages, failures=self._failures)
        elif media_type == "text/event-stream":
            self._events = EventParser()
        elif media_type in {"", "text/html"} or media_type.endswith(("/json", "+json")):
            self._body = bytearray()

    def feed(self, data: bytes) -> None:
        """Process the next chunk of the body."""
        if self._error is not None:
            self._error.feed(data)
        elif self._events is not None:
            self._read_events(self._events.feed(data))
        elif self._body is None:
            self._content_started = self._content_started or bool(data)
        elif len(self._body) + len(data) <= _MAX_BODY:
            self._body += data
        else:
            self._body = None
            self._content_started = True

    def end(self) -> Ruling:
        """Return the ruling on the complete response; may be called again."""
        if self._events is not None:
            self._read_events(self._events.rest())
        if self.ruling is None:
            try:
                self._ruling = self._finish()
            except InvalidResponseError as error:
                self._ruling = Ruling(Verdict.FAILURE, str(error))
            self._body = None
        return self.ruling or GOOD

    def _finish(self) -> Ruling:
        if self._body is not None:
            body = bytes(self._body)
            self._content_started = bool(body.strip() and parse_object(body, self._messages))
        if not self._content_started:
            raise InvalidResponseError("empty answer")
        if self._events is not None:
            raise InvalidResponseError("stream ended without [DONE]")
        return GOOD

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
            raise reported_error(self._messages.from_body(data))
        if not data:
            return
        if data == b"[DONE]":
            if not self._content_started:
                raise InvalidResponseError("empty answer")
            self._ruling = GOOD
            return
        parsed = parse_object(data, self._messages)
        kind = parsed.get("type")
        if kind == "error":
            raise reported_error(self._messages.from_object(parsed))
        if kind == "response.failed":
            response = parsed.get("response")
            message = self._messages.from_object(response) if isinstance(response, dict) else ""
            raise reported_error(message)
        if kind in ("response.completed", "response.incomplete"):
            self._ruling = GOOD
        self._content_started = self._content_started or kind not in _EVENTS_BEFORE_CONTENT


def openai_judge(request: httpx.Request) -> Judge:
    """Return the judge of a request to a server that implements the OpenAI API."""
    return HttpJudge(request) if request.method == "HEAD" else OpenAIJudge(request)
