"""Parsing request bodies exactly as strictly as Ollama does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NoReturn, TypeVar

from starlette.requests import Request

from fuseboard.simulator.errors import ApiError

T = TypeVar("T")

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
    """

    def __init__(self, go_struct: str, fields: Mapping[str, object]) -> None:
        self._go_struct = go_struct
        self._fields = fields

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
        ApiError: If the body is not a JSON object.
    """
    text = (await request.body()).decode("utf-8", "replace").strip()
    if not text:
        raise ApiError(400, if_empty)
    try:
        # Like Go's decoder, and unlike json.loads(), raw_decode() ignores what follows the object.
        fields, _ = json.JSONDecoder(parse_constant=_reject_constant).raw_decode(text)
    except json.JSONDecodeError as error:
        raise ApiError(400, _go_syntax_error(text, error)) from error
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"invalid JSON: {error}") from error
    if not isinstance(fields, dict | None):
        found = _JSON_NAMES[type(fields)]
        raise ApiError(400, f"json: cannot unmarshal {found} into Go value of type {go_struct}")
    return RequestBody(go_struct, fields or {})


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _go_syntax_error(text: str, error: json.JSONDecodeError) -> str:
    if error.pos >= len(text) or error.msg.startswith("Unterminated"):
        return "unexpected EOF"
    return f"invalid character {text[error.pos]!r} looking for beginning of value"
