"""The `format` of a request: generating JSON, of a schema or of any shape."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping

from fuseboard.simulator.errors import ApiError
from fuseboard.simulator.text.schema_sampler import SchemaError, sample

_MAX_ATTEMPTS = 50  # at finding a schema in a prompt


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
    raw = json.dumps(json.dumps(value, ensure_ascii=False)[:1000], ensure_ascii=False)
    raise ApiError(500, f'invalid format: {raw}; expected "json" or a valid JSON Schema object')


def write_json(
    schema: Mapping[str, object], prompt: str, write_text: Callable[[], str], rng: random.Random
) -> str:
    """Return JSON that conforms to a schema.

    Args:
        schema: The schema; if it is empty, that of the prompt, if there is one in it.
        prompt: The prompt.
        write_text: Returns a string.
        rng: The source of randomness.

    Raises:
        ApiError: If there is none of a reasonable size.
    """
    schema = schema or _find_schema(prompt)
    if not schema:
        return json.dumps({"answer": write_text()}, ensure_ascii=False)
    try:
        value = sample(schema, lambda _: write_text(), rng)
    except SchemaError as error:
        raise ApiError(400, f"invalid JSON schema in format: {error}") from error
    return json.dumps(value, ensure_ascii=False)


def _find_schema(prompt: str) -> Mapping[str, object]:
    """Return the first schema of an object that a prompt contains; empty if there is none."""
    begin = -1
    for _ in range(_MAX_ATTEMPTS):
        begin = prompt.find("{", begin + 1)
        if begin < 0:
            break
        try:
            found, _ = json.JSONDecoder().raw_decode(prompt, begin)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict) and isinstance(found.get("properties"), dict):
            return found
    return {}
