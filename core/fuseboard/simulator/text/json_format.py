"""The `format` of a request: generating JSON, of a schema or of any shape."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping

from fuseboard.simulator.errors import ApiError

_MAX_DEPTH = 8  # of a recursive schema, whose JSON would not end otherwise


def read_format(value: object) -> Mapping[str, object] | None:
    """Return the schema of a `format`, empty for any JSON; `None` if no JSON is requested.

    Raises:
        ApiError: If it is neither a schema nor `json`.
    """
    match value:
        case None | "":
            return None
        case "json":
            return {}
        case dict():
            return value
    raw = json.dumps(json.dumps(value, ensure_ascii=False), ensure_ascii=False)
    raise ApiError(500, f'invalid format: {raw}; expected "json" or a valid JSON Schema object')


def write_json(
    schema: Mapping[str, object], write_text: Callable[[], str], rng: random.Random
) -> str:
    """Return JSON that conforms to a schema; `write_text` returns its strings."""
    value = _SchemaSampler(schema, write_text, rng).value() if schema else {"answer": write_text()}
    return json.dumps(value, ensure_ascii=False)


class _SchemaSampler:
    """A source of random values that conform to a schema."""

    def __init__(
        self, root: Mapping[str, object], write_text: Callable[[], str], rng: random.Random
    ) -> None:
        self._root = root
        self._write_text = write_text
        self._rng = rng

    def value(self) -> object:
        return self._sample(self._root, 0)

    def _sample(self, schema: object, depth: int) -> object:
        if not isinstance(schema, dict) or depth > _MAX_DEPTH:
            return None
        for keyword in ("const", "default"):
            if keyword in schema:
                return schema[keyword]
        if isinstance(schema.get("enum"), list) and schema["enum"]:
            return self._rng.choice(schema["enum"])
        if isinstance(schema.get("$ref"), str):
            return self._sample(self._resolve(schema["$ref"]), depth + 1)
        for combinator in ("anyOf", "oneOf", "allOf"):
            if isinstance(schema.get(combinator), list) and schema[combinator]:
                return self._sample(schema[combinator][0], depth + 1)
        kind = schema.get("type", "object" if "properties" in schema else "string")
        if isinstance(kind, list) and kind:
            kind = kind[0]
        return self._sample_type(kind, schema, depth)

    def _sample_type(self, kind: object, schema: Mapping[str, object], depth: int) -> object:
        match kind:
            case "object":
                properties = schema.get("properties")
                properties = properties if isinstance(properties, dict) else {}
                return {key: self._sample(value, depth + 1) for key, value in properties.items()}
            case "array":
                min_items = schema.get("minItems")
                count = 2
                if isinstance(min_items, int) and min_items > 0:
                    count = min(min_items, 100)
                return [self._sample(schema.get("items", {}), depth + 1) for _ in range(count)]
            case "integer":
                return self._rng.randint(*self._bounds(schema))
            case "number":
                low, high = self._bounds(schema)
                return round(self._rng.uniform(low, high), 2)
            case "boolean":
                return self._rng.random() < 0.5
            case "null":
                return None
            case _:
                return self._write_text()

    def _resolve(self, reference: str) -> object:
        value: object = self._root
        for key in reference.removeprefix("#").strip("/").split("/"):
            value = value.get(key) if isinstance(value, dict) else None
        return value

    @staticmethod
    def _bounds(schema: Mapping[str, object]) -> tuple[int, int]:
        low, high = _to_int(schema.get("minimum")), _to_int(schema.get("maximum"))
        if low is None:
            low = 1 if high is None else min(1, high)
        return low, low + 99 if high is None else max(low, high)


def _to_int(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**63:
        return None
    return int(value)
