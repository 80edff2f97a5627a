"""Parsing request bodies exactly as strictly as Ollama does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import NoReturn, TypeVar

from starlette.requests import Request

from fuseboard.simulator.errors import ApiError

T = TypeVar("T")

MAX_BODY = 8 * 1024 * 1024
"""The size limit of a request body in bytes: some hundred times what fits into a context."""
_MAX_UPLOADS = 64 * 1024 * 1024  # bytes of all bodies that have not arrived as a whole
_MAX_VALUES = 400_000  # in one body: each takes up to a hundred bytes of memory
_LARGE_BODY = 64 * 1024  # bytes; what is larger is processed on a thread
_MAX_DEPTH = 250  # levels; what is deeper could be parsed, but not always written again
_TOO_DEEP = "invalid JSON: it is nested too deep"

_JSON_NAMES: dict[type, str] = {
    bool: "bool",
    int: "number",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}


class RequestBody:
    """The JSON object of a request; a field that is `null` counts as missing.

    Reading a field of the wrong type raises `ApiError`.

    Args:
        go_struct: The name of the struct in Ollama's source, for error messages.
        fields: The JSON object.
        size: How large it was, in bytes.
    """

    def __init__(self, go_struct: str, fields: Mapping[str, object], size: int = 0) -> None:
        self._go_struct = go_struct
        self._fields = fields
        self._size = size

    async def converted(self, convert: Callable[[RequestBody], T]) -> T:
        """Return `convert(self)`, which runs on a thread if the body is large."""
        return await _run(self._size, lambda: convert(self))

    def value(self, key: str) -> object:
        """Return a field of any type, `None` if it is missing."""
        return self._fields.get(key)

    def text(self, key: str) -> str:
        """Return a string field, empty if it is missing."""
        return self._typed(key, str, "string") or ""

    def flag(self, key: str, *, default: bool) -> bool:
        """Return a boolean field, `default` if it is missing."""
        value = self._typed(key, bool, "bool")
        return default if value is None else value

    def integer(self, key: str) -> int | None:
        """Return an integer field, `None` if it is missing."""
        return self._typed(key, int, "int")

    def number(self, key: str) -> float | None:
        """Return a number field, `None` if it is missing."""
        if type(self.value(key)) is int:
            return self.integer(key)
        return self._typed(key, float, "float64")

    def mapping(self, key: str) -> dict[str, object]:
        """Return an object field, empty if it is missing."""
        return self._typed(key, dict, "map[string]interface {}") or {}

    def items(self, key: str, item_type: type[T], go_type: str) -> list[T]:
        """Return an array field, empty if it is missing.

        Args:
            key: The name of the field.
            item_type: The type of every item.
            go_type: The name of that type in Go.
        """
        items = self._typed(key, list, f"[]{go_type}") or []
        for item in items:
            if type(item) is not item_type:
                self._raise_type_error(key, item, go_type)
        return items

    def objects(self, key: str, go_type: str) -> list[RequestBody]:
        """Return an array field whose items are objects, empty if it is missing."""
        items = self.items(key, dict, go_type)
        return [RequestBody(f"{self._go_struct}.{key}", item) for item in items]

    def _typed(self, key: str, expected: type[T], go_type: str) -> T | None:
        value = self._fields.get(key)
        # Not isinstance(): in Python a bool is an int.
        if value is not None and type(value) is not expected:
            self._raise_type_error(key, value, go_type)
        return value

    def _raise_type_error(self, key: str, value: object, go_type: str) -> NoReturn:
        found = _JSON_NAMES.get(type(value), "null")
        field = f"{self._go_struct.partition('.')[2]}.{key}"
        raise ApiError(
            400, f"json: cannot unmarshal {found} into Go struct field {field} of type {go_type}"
        )


async def read_body(
    request: Request, go_struct: str, *, if_empty: str = "missing request body"
) -> RequestBody:
    """Return the JSON object in the body of a request; its `Content-Type` is ignored.

    Args:
        request: The request.
        go_struct: The struct in Ollama's source with its package, such as `api.ChatRequest`.
        if_empty: The error message for an empty body.

    Raises:
        ApiError: If the body is not a JSON object, or too large.
    """
    data = await _receive(request)
    return await _run(len(data), lambda: _parse(data, go_struct, if_empty))


async def _receive(request: Request) -> bytes:
    data = bytearray()
    uploads = request.app.state  # `size` is that of all bodies that are arriving
    try:
        async for chunk in request.stream():
            data += chunk
            uploads.size = getattr(uploads, "size", 0) + len(chunk)
            if len(data) > MAX_BODY:
                large = f"the request is larger than {MAX_BODY // 2**20} MiB"
                raise ApiError(413, large, cuts_request=True)
            if uploads.size > _MAX_UPLOADS:
                busy = "server busy: too much is being sent at once"
                raise ApiError(503, busy, cuts_request=True)
    finally:
        uploads.size = getattr(uploads, "size", 0) - len(data)
    return bytes(data)


async def _run(size: int, work: Callable[[], T]) -> T:
    return work() if size < _LARGE_BODY else await asyncio.to_thread(work)


def _parse(data: bytes, go_struct: str, if_empty: str) -> RequestBody:
    text = data.decode("utf-8", "replace").strip()
    if not text:
        raise ApiError(400, if_empty)
    # Each value but the first of an array or object follows a comma, which texts have fewer of.
    if data.count(b",") + data.count(b"[") + data.count(b"{") > _MAX_VALUES:
        raise ApiError(413, f"the request has more than {_MAX_VALUES:,} values")
    try:
        # Like Go's decoder, and unlike json.loads(), raw_decode() ignores what follows the object.
        fields, _ = json.JSONDecoder(parse_constant=_reject_constant).raw_decode(text)
    except json.JSONDecodeError as error:
        raise ApiError(400, _go_syntax_error(text, error)) from error
    except RecursionError as error:
        raise ApiError(400, _TOO_DEEP) from error
    except ValueError as error:
        raise ApiError(400, f"invalid JSON: {error}") from error
    if not isinstance(fields, dict | None):
        found = _JSON_NAMES[type(fields)]
        raise ApiError(400, f"json: cannot unmarshal {found} into Go value of type {go_struct}")
    if _is_deep(fields):
        raise ApiError(400, _TOO_DEEP)
    return RequestBody(go_struct, fields or {}, len(data))


def _is_deep(value: object) -> bool:
    """Return whether a JSON value has more levels than `_MAX_DEPTH`."""
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [
            child
            for each in level
            if isinstance(each, dict | list)
            for child in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return False
    return True


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _go_syntax_error(text: str, error: json.JSONDecodeError) -> str:
    if error.pos >= len(text) or error.msg.startswith("Unterminated"):
        return "unexpected EOF"
    return f"invalid character {text[error.pos]!r} looking for beginning of value"
