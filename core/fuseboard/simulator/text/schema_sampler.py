"""Random JSON values that conform to a JSON schema, within limits of size and depth."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Mapping

from fuseboard.simulator.text.pattern import PatternError, write_match

MAX_VALUES = 5_000
"""The number of values that one schema may ask for; references and alternatives count too."""
MAX_CHARACTERS = 250_000
"""The length of the strings and keys that one schema may ask for."""
_MAX_DEPTH = 64
_GENEROUS_DEPTH = 5  # below it, nothing optional is generated, so that a recursive schema ends
_USUAL_ITEMS = 2
_ATTEMPTS = 20  # for each item that must differ from the others

_NOT_SUPPORTED = ("not", "if", "contains", "dependentRequired", "dependentSchemas")
_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:30:00Z",
    "time": "12:30:00Z",
    "duration": "PT90S",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "url": "https://example.com/",
}
_KEYWORDS_OF_TYPE = {
    "object": ("properties", "required", "additionalProperties", "minProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}


class SchemaError(ValueError):
    """No value is generated for a schema; the message says why."""


class _TooLargeError(SchemaError):
    """A value exceeds a limit; one without its optional parts may not."""


def sample(
    schema: Mapping[str, object], write_text: Callable[[str], str], rng: random.Random
) -> object:
    """Return a value that conforms to a schema, with its optional parts if there is room.

    The cost is bounded by `MAX_VALUES` and `MAX_CHARACTERS`, whatever the schema.

    Args:
        schema: The schema; references are resolved in it.
        write_text: Returns a string for the property of a name.
        rng: The source of randomness.

    Raises:
        SchemaError: If every value is too large, if none conforms, or if the
            schema has a keyword that is not supported.
    """
    try:
        return _Sampler(schema, write_text, rng, _GENEROUS_DEPTH).value()
    except _TooLargeError:
        return _Sampler(schema, write_text, rng, 0).value()


class _Sampler:
    """One attempt at a value.

    Args:
        root: The schema.
        write_text: Returns a string for the property of a name.
        rng: The source of randomness.
        generous_depth: The depth down to which optional parts are generated.
    """

    def __init__(
        self,
        root: Mapping[str, object],
        write_text: Callable[[str], str],
        rng: random.Random,
        generous_depth: int,
    ) -> None:
        self._root = root
        self._write_text = write_text
        self._rng = rng
        self._generous_depth = generous_depth
        self._values = 0
        self._characters = 0

    def value(self) -> object:
        return self._sample(self._root, 0, "")

    def _sample(self, schema: object, depth: int, name: str) -> object:
        self._values += 1
        if self._values > MAX_VALUES:
            raise _TooLargeError(f"it asks for more than {MAX_VALUES:,} values")
        if depth > _MAX_DEPTH:
            raise _TooLargeError(f"it nests deeper than {_MAX_DEPTH} levels, or refers to itself")
        if schema is False:
            raise SchemaError("nothing conforms to false")
        if schema is True:
            return self._count(self._write_text(name))
        if not isinstance(schema, dict):
            return None
        for keyword in _NOT_SUPPORTED:
            if keyword in schema:
                raise SchemaError(f"the simulator does not support {keyword!r}")
        for keyword in ("const", "default"):
            if keyword in schema:
                return self._given(schema[keyword])
        if isinstance(schema.get("enum"), list) and schema["enum"]:
            return self._given(self._rng.choice(schema["enum"]))
        if isinstance(schema.get("$ref"), str):
            return self._sample(self._resolve(schema["$ref"]), depth + 1, name)
        if isinstance(schema.get("allOf"), list) and schema["allOf"]:
            return self._sample(self._all_of(schema), depth + 1, name)
        for keyword in ("anyOf", "oneOf"):
            branches = schema.get(keyword)
            if isinstance(branches, list) and branches:
                generous = depth < self._generous_depth
                branch = branches[0] if generous else min(branches, key=_complexity)
                rest = {key: value for key, value in schema.items() if key != keyword}
                return self._sample(_merged(rest, branch), depth + 1, name)
        return self._sample_type(_type_of(schema), schema, depth, name)

    def _sample_type(
        self, kind: object, schema: Mapping[str, object], depth: int, name: str
    ) -> object:
        match kind:
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, depth, name)
            case "integer":
                return self._integer(schema)
            case "number":
                return self._number(schema)
            case "boolean":
                return self._rng.random() < 0.5
            case "null":
                return None
            case _:
                return self._text(schema, name)

    def _object(self, schema: Mapping[str, object], depth: int) -> dict[str, object]:
        properties = _mapping(schema.get("properties"))
        required = schema.get("required")
        required = (
            [key for key in required if isinstance(key, str)] if isinstance(required, list) else []
        )
        others = schema.get("additionalProperties", True)
        optional = list(properties) if depth < self._generous_depth else []
        result: dict[str, object] = {}
        for key in (*(key for key in optional if key not in required), *required):
            result[self._count(key)] = self._sample(properties.get(key, others), depth + 1, key)
        fewest = _whole(schema.get("minProperties")) or 0
        if fewest > MAX_VALUES:
            raise _TooLargeError(f"it asks for more than {MAX_VALUES:,} values")
        for number in range(fewest - len(result)):
            key = f"key{number}"
            result[self._count(key)] = self._sample(others, depth + 1, key)
        # In the order of the schema, which clients show.
        return {key: result[key] for key in (*properties, *result) if key in result}

    def _array(self, schema: Mapping[str, object], depth: int, name: str) -> list[object]:
        fewest = _whole(schema.get("minItems")) or 0
        most = _whole(schema.get("maxItems"))
        if fewest > MAX_VALUES:
            raise _TooLargeError(f"it asks for more than {MAX_VALUES:,} values")
        if most is not None and most < fewest:
            raise SchemaError("nothing conforms to minItems and maxItems")
        usual = _USUAL_ITEMS if depth < self._generous_depth else 0
        first = schema.get("prefixItems")
        first = first if isinstance(first, list) else []
        count = max(fewest, min(max(usual, len(first)), MAX_VALUES if most is None else most))
        items = schema.get("items", {})
        if schema.get("uniqueItems") is True:
            return self._unique(items, count, fewest, depth, name)
        return [
            self._sample(first[place] if place < len(first) else items, depth + 1, name)
            for place in range(count)
        ]

    def _unique(
        self, items: object, count: int, fewest: int, depth: int, name: str
    ) -> list[object]:
        if isinstance(items, dict) and isinstance(items.get("enum"), list):
            choices = list({json.dumps(each): each for each in items["enum"]}.values())
            self._rng.shuffle(choices)
            found = [self._given(each) for each in choices[:count]]
        else:
            by_text: dict[str, object] = {}
            for _ in range(count * _ATTEMPTS):
                if len(by_text) == count:
                    break
                value = self._sample(items, depth + 1, name)
                if isinstance(value, str) and json.dumps(value) in by_text:
                    value = f"{value} {len(by_text) + 1}"
                by_text.setdefault(json.dumps(value), value)
            found = list(by_text.values())
        if len(found) < fewest:
            raise SchemaError(f"there are not {fewest} different items")
        return found

    def _integer(self, schema: Mapping[str, object]) -> int:
        low, high = _bounds(schema, 1)
        step = _number_or_none(schema.get("multipleOf"))
        step = math.ceil(step) if step and step == int(step) and step > 0 else 1
        first = math.ceil(1 if low is None and (high is None or high >= 1) else _or(low, high))
        last = math.floor(high) if high is not None else first + 99 * step
        if low is None:
            first = min(first, last - last % step)
        first += -first % step
        if first > last:
            raise SchemaError("no whole number is within its bounds")
        return first + step * self._rng.randint(0, (last - first) // step)

    def _number(self, schema: Mapping[str, object]) -> float:
        low, high = _bounds(schema, 0.01)
        if low is None:
            low = 1.0 if high is None or high >= 1 else high - 99
        if high is None:
            high = low + 99
        if low > high:
            raise SchemaError("no number is within its bounds")
        step = _number_or_none(schema.get("multipleOf"))
        if step is not None and step > 0:
            first, last = math.ceil(low / step), math.floor(high / step)
            if first > last:
                raise SchemaError("no multiple is within its bounds")
            return self._rng.randint(first, last) * step
        return min(max(round(self._rng.uniform(low, high), 2), low), high)

    def _text(self, schema: Mapping[str, object], name: str) -> str:
        fewest = _whole(schema.get("minLength")) or 0
        most = _whole(schema.get("maxLength"))
        if fewest > MAX_CHARACTERS:
            raise _TooLargeError(f"it asks for more than {MAX_CHARACTERS:,} characters")
        if most is not None and most < fewest:
            raise SchemaError("nothing conforms to minLength and maxLength")
        pattern, kind = schema.get("pattern"), schema.get("format")
        if isinstance(pattern, str):
            try:
                text, steps = write_match(pattern, self._rng, fewest)
            except PatternError as error:
                raise SchemaError(f"the simulator cannot write a text of {error}") from None
            if len(text) < fewest or (most is not None and len(text) > most):
                raise SchemaError("no text was found that has both its pattern and its length")
            self._spend(steps)
            return text
        if kind == "uuid":
            digits = f"{self._rng.getrandbits(128):032x}"
            return self._count(
                f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"
            )
        if isinstance(kind, str) and kind in _FORMATS:
            return self._count(_FORMATS[kind])
        text = self._write_text(name)
        if text and len(text) < fewest:
            text = f"{text} " * (fewest // len(text) + 1)
        return self._count(text[: max(fewest, len(text)) if most is None else most])

    def _given(self, value: object) -> object:
        """Return a value that the schema contains, which may be large."""
        if isinstance(value, dict | list):
            self._count(json.dumps(value))
        elif isinstance(value, str):
            self._count(value)
        return value

    def _count(self, text: str) -> str:
        self._spend(len(text))
        return text

    def _spend(self, characters: int) -> None:
        self._characters += characters
        if self._characters > MAX_CHARACTERS:
            raise _TooLargeError(f"it asks for more than {MAX_CHARACTERS:,} characters")

    def _all_of(self, schema: Mapping[str, object]) -> Mapping[str, object]:
        parts = schema["allOf"]
        merged: Mapping[str, object] = {key: schema[key] for key in schema if key != "allOf"}
        for part in parts if isinstance(parts, list) else ():
            self._values += 1
            for _ in range(_MAX_DEPTH):
                if not isinstance(part, dict) or not isinstance(part.get("$ref"), str):
                    break
                part = self._resolve(part["$ref"])
            merged = _merged(merged, part)
        return merged

    def _resolve(self, reference: str) -> object:
        value: object = self._root
        for key in filter(None, reference.removeprefix("#").split("/")):
            name = key.replace("~1", "/").replace("~0", "~")
            if not isinstance(value, dict) or name not in value:
                raise SchemaError(f"there is no {reference[:100]!r} in it")
            value = value[name]
        return value


def _type_of(schema: Mapping[str, object]) -> object:
    kind = schema.get("type")
    if isinstance(kind, list) and kind:
        return kind[0]
    if kind is not None:
        return kind
    for found, keywords in _KEYWORDS_OF_TYPE.items():
        if any(keyword in schema for keyword in keywords):
            return found
    return "string"


def _complexity(schema: object) -> int:
    """Return how likely a schema is to lead on to others: the least ends a recursion."""
    if not isinstance(schema, dict) or "const" in schema or "enum" in schema:
        return 0
    if "$ref" in schema:
        return 3
    kind = _type_of(schema)
    return {"array": 1, "object": 2}.get(kind, 0) if isinstance(kind, str) else 0


def _merged(schema: Mapping[str, object], other: object) -> Mapping[str, object]:
    """Return a schema with the keywords of both."""
    if not isinstance(other, dict):
        return schema
    merged = {**schema, **other}
    if "properties" in schema and "properties" in other:
        merged["properties"] = {
            **_mapping(schema["properties"]),
            **_mapping(other["properties"]),
        }
    if isinstance(schema.get("required"), list) and isinstance(other.get("required"), list):
        merged["required"] = [*schema["required"], *other["required"]]  # type: ignore[misc]
    return merged


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _bounds(schema: Mapping[str, object], least_step: float) -> tuple[float | None, float | None]:
    """Return the inclusive bounds of a number."""
    low, high = _number_or_none(schema.get("minimum")), _number_or_none(schema.get("maximum"))
    above = _number_or_none(schema.get("exclusiveMinimum"))
    below = _number_or_none(schema.get("exclusiveMaximum"))
    if above is not None:
        above = math.floor(above) + 1 if least_step == 1 else above + least_step
        low = above if low is None else max(low, above)
    if below is not None:
        below = math.ceil(below) - 1 if least_step == 1 else below - least_step
        high = below if high is None else min(high, below)
    return low, high


def _number_or_none(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**53:
        return None
    return value


def _whole(value: object) -> int | None:
    number = _number_or_none(value)
    return None if number is None or number < 0 else int(number)


def _or(first: float | None, second: float | None) -> float:
    return first if first is not None else second if second is not None else 1
