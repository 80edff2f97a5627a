"""Answers that a `format` asks for: JSON, of any form or of a schema's."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping

from fuseboard.simulator.errors import RefusedError

_DEEPEST = 8  # how often a schema may lead into itself; a JSON text has to end


def read_format(value: object) -> Mapping[str, object] | None:
    """Read a `format` as a schema, which is empty where any JSON will do; `None` is prose.

    Raises:
        RefusedError: If it is neither a schema nor `json`.
    """
    match value:
        case None | "":
            return None
        case "json":
            return {}
        case dict():
            return value
    raw = json.dumps(json.dumps(value, ensure_ascii=False), ensure_ascii=False)
    raise RefusedError(500, f'invalid format: {raw}; expected "json" or a valid JSON Schema object')


def json_text(schema: Mapping[str, object], say: Callable[[], str], dice: random.Random) -> str:
    """Write JSON of a schema; `say` makes its texts."""
    value = _Schema(schema, say, dice).value() if schema else {"answer": say()}
    return json.dumps(value, ensure_ascii=False)


class _Schema:
    def __init__(
        self, whole: Mapping[str, object], say: Callable[[], str], dice: random.Random
    ) -> None:
        self._whole = whole
        self._say = say
        self._dice = dice

    def value(self) -> object:
        return self._of(self._whole, 0)

    def _of(self, schema: object, depth: int) -> object:
        if not isinstance(schema, dict) or depth > _DEEPEST:
            return None
        for fixed in ("const", "default"):
            if fixed in schema:
                return schema[fixed]
        if isinstance(schema.get("enum"), list) and schema["enum"]:
            return self._dice.choice(schema["enum"])
        if isinstance(schema.get("$ref"), str):
            return self._of(self._referred(schema["$ref"]), depth + 1)
        for choice in ("anyOf", "oneOf", "allOf"):
            if isinstance(schema.get(choice), list) and schema[choice]:
                return self._of(schema[choice][0], depth + 1)
        kind = schema.get("type", "object" if "properties" in schema else "string")
        return self._of_kind(kind[0] if isinstance(kind, list) and kind else kind, schema, depth)

    def _of_kind(self, kind: object, schema: Mapping[str, object], depth: int) -> object:
        match kind:
            case "object":
                properties = schema.get("properties")
                properties = properties if isinstance(properties, dict) else {}
                return {name: self._of(each, depth + 1) for name, each in properties.items()}
            case "array":
                least = schema.get("minItems")
                count = min(least, 100) if isinstance(least, int) and least > 0 else 2
                return [self._of(schema.get("items", {}), depth + 1) for _ in range(count)]
            case "integer":
                return self._dice.randint(*self._bounds(schema))
            case "number":
                low, high = self._bounds(schema)
                return round(self._dice.uniform(low, high), 2)
            case "boolean":
                return self._dice.random() < 0.5
            case "null":
                return None
            case _:
                return self._say()

    def _referred(self, reference: str) -> object:
        found: object = self._whole
        for step in reference.removeprefix("#").strip("/").split("/"):
            found = found.get(step) if isinstance(found, dict) else None
        return found

    @staticmethod
    def _bounds(schema: Mapping[str, object]) -> tuple[int, int]:
        low, high = _whole(schema.get("minimum")), _whole(schema.get("maximum"))
        if low is None:
            low = 1 if high is None else min(1, high)
        return low, low + 99 if high is None else max(low, high)


def _whole(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**63:
        return None
    return int(value)
