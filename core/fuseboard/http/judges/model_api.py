"""The judge of the APIs of models that answer with JSON or with server-sent events."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum, auto
from typing import Any

from fuseboard.breaker.outcome import GOOD, Ruling
from fuseboard.http.judge import Headers, Request
from fuseboard.http.judges.embeddings import check_embeddings
from fuseboard.http.judges.generation import Generation
from fuseboard.http.judges.json_object import InvalidResponseError, parse_json, require_object
from fuseboard.http.judges.model_judge import ModelJudge
from fuseboard.http.judges.reported_error import read_error, read_error_body
from fuseboard.http.judges.sse import EventParser, ServerSentEvent, looks_like_events
from fuseboard.http.judges.verdict_rules import NO_RULES, VerdictRules

_MAX_BODY = 16 * 1024 * 1024  # bytes
_MAX_TEXT = 64 * 1024  # bytes of other text that are read, in case they are an error
_LONGEST_FIELD = len(b"error:")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

# Routes by their ends: gateways put anything before.
_OUTPUT_ROUTE = re.compile(r"/(?:chat/completions|completions|messages|responses)$")
_IMAGE_ROUTE = re.compile(r"/images/(?:generations|edits|variations)$")
_JSON_ROUTE = re.compile(
    r"/(?:completion|complete|infill|generate|generate_stream|embed|embed_all|embeddings?|rerank"
    r"|moderations|models)$"
)
_VERSIONED_ROUTE = re.compile(r"/v\d+(?:(?:alpha|beta)\d*)?/")
_FILE_ROUTE = re.compile(r"/content$")

_OUTPUT_FIELDS = ("choices", "content", "output", "candidates", "completion", "generated_text",
                  "text")  # fmt: skip
_MESSAGE_FIELDS = ("message", "msg", "detail")
_SPEECH_ROUTE = re.compile(r"/audio/(?:transcriptions|translations)$")
_SAID = re.compile(r"text/(?!html|event-stream)|application/x-subrip")  # what somebody said
_NO_TEXT = re.compile(r"(?:audio|image|video|font)/")


class _Format(Enum):
    """What a body is, as far as it matters."""

    JSON = auto()
    EVENTS = auto()
    OTHER = auto()


class ModelApiJudge(ModelJudge):
    """Judge one exchange of OpenAI's or Anthropic's API, whichever server implements it.

    A stream is whole when every choice has a `finish_reason`, with or without
    `[DONE]`, when `[DONE]` has come, or the last event of an API that sends
    events with a type (`response.completed`, `message_stop`). What a body is shows
    in its bytes, and in its media type only where they may mean anything. Where
    JSON is due, an error page is no answer. JSON of more than 16 MiB is accepted
    unread.
    """

    def __init__(self, request: Request, rules: VerdictRules = NO_RULES) -> None:
        super().__init__(request, rules)
        self._path = path = request.url.path.rstrip("/")
        self._posts = request.method == "POST"
        self._needs_output = self._posts and _OUTPUT_ROUTE.search(path) is not None
        self._needs_image = self._posts and _IMAGE_ROUTE.search(path) is not None
        self._needs_json = (
            self._needs_output or self._needs_image or _JSON_ROUTE.search(path) is not None
        )
        self._media_type = ""
        self._format: _Format | None = None
        self._body = bytearray()
        self._bytes = 0
        self._events = EventParser()
        self._generation = Generation(rules.on_finish)

    @property
    def ruling(self) -> Ruling | None:
        """The ruling on an error or a whole response; an error that follows changes a success."""
        ruling = super().ruling
        return GOOD if ruling is None and self._generation.whole else ruling

    def _begin_body(self, headers: Headers) -> None:
        self._media_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        no_text = _NO_TEXT.match(self._media_type) and not self._needs_json
        said = _SAID.match(self._media_type) and _SPEECH_ROUTE.search(self._path)
        if no_text or said or _FILE_ROUTE.search(self._path):
            self._format = _Format.OTHER

    def _read_body(self, data: bytes) -> None:
        if self._format is None:
            self._body += data
            start = self._start()
            self._format = self._format_of(start)
            if self._format is None:
                if not start and not _BYTE_ORDER_MARK.startswith(self._body):
                    self._body[:] = b" "  # servers under load send blank lines before JSON
                return
            data = start
            self._body.clear()
        if self._format is _Format.EVENTS:
            self._read_events(self._events.feed(data))
        else:
            self._keep(data)

    def _end_body(self) -> None:
        if self._format is None:
            data = self._start()
            self._format = self._format_of(data, at_end=True)
            self._body.clear()
            if self._format is _Format.EVENTS:
                self._read_events(self._events.feed(data))
            elif self._format is not None:
                self._keep(data)
        body = bytes(self._body)
        self._body.clear()
        match self._format if self._bytes or self._format is _Format.EVENTS else None:
            case None:
                self._check_empty()
            case _Format.EVENTS:
                self._read_events(self._events.rest())
                self._check_stream()
            case _Format.JSON:
                self._check_json(body)
            case _Format.OTHER:
                self._check_other(body)
        self._ruling = self._ruling or GOOD

    # What it is

    def _start(self) -> bytes:
        """Return the body from its first byte that matters on; nothing if none has arrived."""
        body = bytes(self._body)
        if _BYTE_ORDER_MARK.startswith(body):
            return b""
        return body.removeprefix(_BYTE_ORDER_MARK).lstrip()

    def _format_of(self, start: bytes, *, at_end: bool = False) -> _Format | None:
        """Return what a body is that starts so; `None` if that is not certain yet."""
        if not start:
            return None
        if start.startswith((b"{", b"[")):
            return _Format.JSON
        if looks_like_events(start):
            return _Format.EVENTS
        if self._media_type == "text/event-stream" and not start.startswith(b"<"):
            return _Format.EVENTS
        certain = at_end or len(start) >= _LONGEST_FIELD
        return _Format.OTHER if certain else None

    def _keep(self, data: bytes) -> None:
        """Keep what is read at the end."""
        self._bytes += len(data)
        if self._format is not _Format.JSON:
            self._body += data[: max(0, _MAX_TEXT - len(self._body))]
            self._content_started = not self._is_json_due()
        elif self._bytes <= _MAX_BODY:
            self._body += data
        else:
            self._body.clear()
            self._content_started = True

    def _is_json_due(self) -> bool:
        return (
            self._needs_json
            or self._media_type.endswith(("/json", "+json"))
            or (self._posts and self._media_type in {"", "text/html"})
        )

    # A stream

    def _read_events(self, events: Iterable[ServerSentEvent]) -> None:
        if self._ruling is not None:
            return
        for event in events:
            self._read_event(event)
            self._content_started = self._generation.content_started
            if self._ruling is not None:
                return

    def _read_event(self, event: ServerSentEvent) -> None:
        data = event.data.strip()
        if event.kind == b"error":
            raise self._reported(read_error_body(data))
        if data == b"[DONE]":
            if not self._generation.content_started:
                raise InvalidResponseError("empty answer")
            self._ruling = GOOD
        elif data:
            self._read_item(parse_json(data), event.kind.decode("utf-8", "replace"))

    def _read_item(self, parsed: Any, name: str = "") -> None:
        self._require_no_error(parsed)
        item = require_object(parsed)
        if "response" in item:
            self._require_no_error(item["response"])  # in `response.failed`
        self._generation.read(item, name)

    def _check_stream(self) -> None:
        if self._ruling is not None or self._generation.whole:
            return
        if not self._generation.content_started:
            raise InvalidResponseError("empty answer")
        raise InvalidResponseError(f"stream ended without {self._generation.missing}")

    # Anything else

    def _check_empty(self) -> None:
        """Check a body without content: a health check's is good, a model's is not."""
        if self._status not in {202, 204, 205} and (
            self._needs_json or (self._posts and self._media_type)
        ):
            raise InvalidResponseError("empty answer")

    def _check_json(self, body: bytes) -> None:
        if self._bytes > _MAX_BODY:
            return
        try:
            parsed = parse_json(body)
        except InvalidResponseError:
            lines = body.splitlines()
            if len(lines) > 1 and isinstance(_parsed_or_none(lines[0]), dict):
                self._check_lines(lines)
            elif self._is_json_due() or _VERSIONED_ROUTE.search(self._path):
                raise
            self._content_started = True
            return
        if self._is_resource(parsed):
            self._content_started = True
            return
        self._require_no_error(parsed)
        if self._embeds and self._posts:
            check_embeddings(parsed, self._request)
            self._content_started = True
        elif isinstance(parsed, list):
            self._check_array(parsed)
        else:
            self._check_object(parsed)

    def _check_lines(self, lines: Iterable[bytes]) -> None:
        """Check objects on lines of their own, as Ollama streams them."""
        for line in filter(None, map(bytes.strip, lines)):
            self._read_item(parse_json(line))
        if self._generation.begun:
            self._check_stream()

    def _check_array(self, items: list[Any]) -> None:
        if self._needs_output:
            require_object(items)
        for item in items:  # Gemini's own stream, where events were not asked for
            if isinstance(item, dict) and "candidates" in item:
                self._generation.read(item)
        if self._generation.begun:
            self._check_stream()
        self._content_started = True

    def _check_object(self, item: dict[str, Any]) -> None:
        if not item and not self._needs_json and not self._posts:
            return
        if self._needs_image and not _has_image(item.get("data")):
            raise InvalidResponseError("empty answer")
        if self._needs_output and self._status != 202 and not _has_output(item):
            if any(isinstance(item.get(field), str) for field in _MESSAGE_FIELDS):
                raise self._reported(read_error(item))
            raise InvalidResponseError("empty answer")
        self._require_no_error(item.get("response"))
        self._generation.read(item)
        if not self._generation.content_started:
            raise InvalidResponseError("empty answer")
        self._content_started = True

    def _is_resource(self, parsed: Any) -> bool:
        """Return whether this is a job or the like that was asked for, whose errors are its own."""
        return (
            not self._posts
            and isinstance(parsed, dict)
            and "id" in parsed
            and parsed.get("object", "error") != "error"
        )

    def _check_other(self, body: bytes) -> None:
        """Check a body that is neither JSON nor events: text, audio, a file."""
        if self._is_json_due():
            parsed = parse_json(body if self._bytes <= _MAX_TEXT else b"")
            self._require_no_error(parsed)  # JSON in a text
            if self._needs_json:
                require_object(parsed)
        elif body.startswith(b"<") and _VERSIONED_ROUTE.search(self._path):
            raise InvalidResponseError("answer is not JSON")
        elif body.startswith(b"{") and not _FILE_ROUTE.search(self._path):
            self._require_no_error(_parsed_or_none(body))
        self._content_started = True


def _has_output(item: dict[str, Any]) -> bool:
    return any(item.get(field) is not None for field in _OUTPUT_FIELDS)


def _has_image(images: Any) -> bool:
    return isinstance(images, list) and any(
        image.get("url") or image.get("b64_json") for image in images if isinstance(image, dict)
    )


def _parsed_or_none(data: bytes) -> Any:
    try:
        return parse_json(data)
    except InvalidResponseError:
        return None
