"""Finding the error that a server reports in a body, in whichever form it does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fuseboard.http.judges.sse import EventParser, looks_like_events

_NOT_JSON = object()
_MAX_DEPTH = 6  # of objects, lists and JSON in texts around a message
_MAX_JSON_IN_TEXT = 64 * 1024  # characters

# What OpenRouter says for whatever a provider said, which is in `metadata.raw`.
_OPENROUTERS_OWN = "Provider returned error"

_CODE_FIELDS = (
    "code", "type", "error_type", "error_code", "errcode", "status", "status_code", "statusCode",
    "http_code", "http_status", "http_status_code", "httpStatusCode", "__type",
)  # fmt: skip
_MESSAGE_FIELDS = (
    "error", "message", "msg", "detail", "error_message", "errorMessage", "error_msg", "errmsg",
    "status_msg", "error_description", "errors", "base_resp", "fault", "faultstring",
    "description", "title",
)  # fmt: skip

# A gateway's envelope: a code that is none of these, and a message. Some send numbers in quotes.
_GOOD_CODE = re.compile("|0|2[0-9][0-9]|ok|success|succeeded|none|null", re.IGNORECASE)
_BAD_STATUS = re.compile("[45][0-9][0-9]|error|fail|failed|failure", re.IGNORECASE)
_ENVELOPE_MESSAGES = ("message", "msg", "detail", "error_message", "errorMessage", "error_msg",
                      "errmsg")  # fmt: skip
_ENVELOPE_CODES = ("code", "error_code", "errcode")
_ENVELOPE_STATUSES = ("status", "status_code", "statusCode")
# An object without any of these is no error, but may have choices that are.
_TELLTALES = frozenset(
    {
        "error", "errors", "type", "success", "base_resp", "detail",
        *_ENVELOPE_CODES, *_ENVELOPE_STATUSES,
    }
)  # fmt: skip
# Fields of results: an object with one of them is no envelope around an error.
_RESULT_FIELDS = (
    "choices", "output", "content", "candidates", "delta", "response", "embedding", "embeddings",
    "results", "result", "data", "done", "id",
)  # fmt: skip

# MiniMax's codes (`base_resp.status_code`) as HTTP statuses.
_MINIMAX_STATUSES = {
    "1000": 500, "1001": 504, "1002": 429, "1004": 401, "1008": 402, "1013": 500, "1024": 500,
    "1026": 400, "1027": 400, "1033": 500, "1039": 429, "1041": 429, "1042": 400, "2013": 400,
    "2045": 429, "2049": 401, "2056": 429,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ReportedError:
    """An error as a server tells it."""

    message: str = ""
    """The server's words, as they came: they may quote the request."""
    codes: tuple[str, ...] = ()
    """Its codes and types, normalized."""
    statuses: tuple[int, ...] = ()
    """Those of its codes that are HTTP statuses from 400 on."""


NO_ERROR = ReportedError()
"""The error of a body that reports none."""


def normalize_code(code: str) -> str:
    """Return a code without what varies between servers: `Rate_Limit` as `ratelimit`."""
    return re.sub(r"[\s_.\-]+", "", code.rpartition("#")[2]).casefold()  # AWS has a namespace


def find_error(parsed: object) -> ReportedError | None:
    """Return the error in a parsed body whose status was good; `None` if it reports none.

    Read are an `error` that is not empty, at the top, in a choice or in an element of
    an array; objects that are an error themselves; gateways' envelopes, which are a
    code and a message, and no result; and all that as JSON in a text.
    """
    if isinstance(parsed, str):
        parsed = _json_in_text(parsed)
    if isinstance(parsed, list):
        return next((error for error in map(_find_in_object, parsed) if error), None)
    return _find_in_object(parsed)


def read_error(parsed: object) -> ReportedError:
    """Return the error in a parsed body whose status was an error: whatever it tells."""
    holders = list(_holders(parsed))
    texts = [code for holder in holders for code in _codes(holder)]
    statuses = [int(code) for code in texts if re.fullmatch("[45][0-9][0-9]", code)]
    for holder in holders:
        minimax = holder.get("base_resp")
        for code in _code(minimax, "status_code") if isinstance(minimax, dict) else ():
            if not _GOOD_CODE.fullmatch(code):
                texts.append(code)
                statuses.append(_MINIMAX_STATUSES.get(code, 500))
    return ReportedError(
        _message_in(parsed, _MAX_DEPTH),
        tuple(dict.fromkeys(map(normalize_code, texts))),
        tuple(dict.fromkeys(statuses)),
    )


def read_error_body(body: bytes) -> ReportedError:
    """Return the error in the body of an error response: JSON, events, or plain text."""
    parsed = _parse(body)
    if parsed is not _NOT_JSON:
        return read_error(parsed)
    if looks_like_events(body):
        parser = EventParser()
        for event in (*parser.feed(body), *parser.rest()):
            parsed = _parse(event.data)
            if parsed is not _NOT_JSON:
                return read_error(parsed)
        return NO_ERROR
    text = body.decode("utf-8", "replace").strip()
    # An HTML page or incomplete JSON is no message.
    return ReportedError("" if text.startswith(("<", "{", "[")) else text)


def _find_in_object(parsed: object) -> ReportedError | None:
    if not isinstance(parsed, dict):
        return None
    if parsed.get("object") == "error" or (
        not _TELLTALES.isdisjoint(parsed)
        and (_says_something(parsed.get("error")) or _is_error_itself(parsed))
    ):
        return read_error(parsed)
    choices = parsed.get("choices")
    if isinstance(choices, list):
        for choice in choices:
            if isinstance(choice, dict) and _says_something(choice.get("error")):
                return read_error(choice["error"])
    return None


def _says_something(error: object) -> bool:
    """Return whether an `error` field reports one: new-api sends an object of empty fields."""
    if isinstance(error, dict):
        return not all(map(_says_nothing, error.values()))
    return not _says_nothing(error)


def _says_nothing(value: object) -> bool:
    if isinstance(value, str):
        return _GOOD_CODE.fullmatch(value.strip()) is not None
    return not value or value == 200


def _is_error_itself(parsed: Mapping[str, Any]) -> bool:
    if parsed.get("type") == "error" or parsed.get("success") is False:
        return True
    minimax = parsed.get("base_resp")
    if isinstance(minimax, dict) and _says_something(minimax.get("status_code")):
        return True
    if parsed.keys() == {"detail"}:  # FastAPI's
        return True
    if any(parsed.get(field) is not None for field in _RESULT_FIELDS):
        return False
    if parsed.get("errors"):
        return True
    if not any(isinstance(parsed.get(field), str) for field in _ENVELOPE_MESSAGES):
        return False
    codes = [code for field in _ENVELOPE_CODES for code in _code(parsed, field)]
    statuses = [status for field in _ENVELOPE_STATUSES for status in _code(parsed, field)]
    return not all(map(_GOOD_CODE.fullmatch, codes)) or any(map(_BAD_STATUS.fullmatch, statuses))


def _holders(parsed: object) -> Iterator[dict[str, Any]]:
    """Yield the objects that may have the codes of an error, the innermost first."""
    found: list[dict[str, Any]] = []
    pending: list[object] = [parsed]
    while pending and len(found) < _MAX_DEPTH:
        match pending.pop():
            case list() as values:
                pending.extend(values[:1])
            case dict() as fields:
                found.append(fields)
                pending.extend(fields.get(name) for name in ("errors", "fault", "message", "error"))
            case str() as text:
                pending.append(_json_in_text(text))
    yield from reversed(found)


def _codes(fields: Mapping[str, Any]) -> Iterator[str]:
    for name in _CODE_FIELDS:
        yield from _code(fields, name)


def _code(fields: Mapping[str, Any], name: str) -> Iterable[str]:
    value = fields.get(name)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**9:
        return (str(value),)
    return (value,) if isinstance(value, str) and len(value) <= 100 else ()


def _message_in(value: object, depth: int) -> str:
    if depth == 0:
        return ""
    match value:
        case str():
            inner = _message_in(_json_in_text(value), depth - 1)
            return inner or value
        case list():
            # The texts of a bare array are no message; objects tell one.
            nested = (
                _message_in(item, depth - 1)
                for item in value[:10]
                if isinstance(item, dict) or depth < _MAX_DEPTH
            )
            return next(filter(None, nested), "")
        case dict():
            nested = (
                _message_in(value.get(name), depth - 1)
                for name in _MESSAGE_FIELDS
                if isinstance(value.get(name), str | list | dict)
            )
            message = next(filter(None, nested), "") or _name_in(value)
            if message == _OPENROUTERS_OWN and isinstance(more := value.get("metadata"), dict):
                return _message_in(more.get("raw"), depth - 1) or message
            return message
    return ""


def _name_in(fields: Mapping[str, Any]) -> str:
    """Return the code or type of an error without a message, if it is a word."""
    for name in ("type", "code", "status"):
        value = fields.get(name)
        if isinstance(value, str) and value != "error" and re.fullmatch(r"[A-Za-z_]{3,60}", value):
            return value
    return ""


def _json_in_text(text: str) -> object:
    if len(text) > _MAX_JSON_IN_TEXT or text.lstrip()[:1] not in {"{", "["}:
        return None
    parsed = _parse(text)
    return parsed if isinstance(parsed, dict | list) else None


def _parse(text: str | bytes) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _NOT_JSON
