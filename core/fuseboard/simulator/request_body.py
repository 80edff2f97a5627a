"""Reading request bodies as strictly, and as leniently, as Ollama does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NoReturn, TypeVar

from starlette.requests import Request

from fuseboard.simulator.errors import RefusedError

T = TypeVar("T")

_JSON_NAMES: dict[type, str] = {
    bool: "bool",
    int: "number",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}


class Body:
    """The JSON object of a request; a missing field and `null` are the same.

    Reading a field of another type than it should have raises `RefusedError`.

    Args:
        kind: What Ollama's source calls such a request, for its error texts.
        fields: The object.
    """

    def __init__(self, kind: str, fields: Mapping[str, object]) -> None:
        self._kind = kind
        self._fields = fields

    def value(self, key: str) -> object:
        """Return a field as it came."""
        return self._fields.get(key)

    def text(self, key: str) -> str:
        """Return the text of a field, empty if it is missing."""
        return self._typed(key, str, "string") or ""

    def flag(self, key: str, *, default: bool) -> bool:
        """Return the truth of a field, `default` if it is missing."""
        found = self._typed(key, bool, "bool")
        return default if found is None else found

    def whole(self, key: str) -> int | None:
        """Return the whole number of a field, if it is there."""
        return self._typed(key, int, "int")

    def number(self, key: str) -> float | None:
        """Return the number of a field, if it is there."""
        whole = type(self.value(key)) is int
        return self.whole(key) if whole else self._typed(key, float, "float64")

    def mapping(self, key: str) -> dict[str, object]:
        """Return the object of a field, an empty one if it is missing."""
        return self._typed(key, dict, "map[string]interface {}") or {}

    def items(self, key: str, item: type[T], go_type: str) -> list[T]:
        """Return the list of a field, an empty one if it is missing.

        Args:
            key: The field.
            item: What each item must be.
            go_type: What Go calls that.
        """
        found = self._typed(key, list, f"[]{go_type}") or []
        for each in found:
            if type(each) is not item:
                self._refuse(key, each, go_type)
        return found

    def bodies(self, key: str, go_type: str) -> list[Body]:
        """Return the objects in the list of a field, none if it is missing."""
        return [Body(f"{self._kind}.{key}", each) for each in self.items(key, dict, go_type)]

    def _typed(self, key: str, wanted: type[T], go_type: str) -> T | None:
        value = self._fields.get(key)
        # Not isinstance(): to Python, but not to JSON, true is a number.
        if value is not None and type(value) is not wanted:
            self._refuse(key, value, go_type)
        return value

    def _refuse(self, key: str, value: object, go_type: str) -> NoReturn:
        found = _JSON_NAMES.get(type(value), "null")
        field = f"{self._kind.partition('.')[2]}.{key}"
        raise RefusedError(
            400, f"json: cannot unmarshal {found} into Go struct field {field} of type {go_type}"
        )


async def read_body(request: Request, kind: str, *, if_empty: str = "missing request body") -> Body:
    """Read the JSON object that a request carries, whatever its Content-Type says.

    Args:
        request: The request.
        kind: The type in Ollama's source, with its package, as `api.ChatRequest`.
        if_empty: What is said where there is none.

    Raises:
        RefusedError: If there is none.
    """
    text = (await request.body()).decode("utf-8", "replace").strip()
    if not text:
        raise RefusedError(400, if_empty)
    try:
        # Like Go's decoder, and unlike json.loads(), this leaves alone what comes after.
        fields, _ = json.JSONDecoder(parse_constant=_refuse_constant).raw_decode(text)
    except json.JSONDecodeError as error:
        raise RefusedError(400, _in_the_words_of_go(text, error)) from error
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, f"invalid JSON: {error}") from error
    if not isinstance(fields, dict | None):
        found = _JSON_NAMES[type(fields)]
        raise RefusedError(400, f"json: cannot unmarshal {found} into Go value of type {kind}")
    return Body(kind, fields or {})


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _in_the_words_of_go(text: str, error: json.JSONDecodeError) -> str:
    if error.pos >= len(text) or error.msg.startswith("Unterminated"):
        return "unexpected EOF"
    return f"invalid character {text[error.pos]!r} looking for beginning of value"
