"""Values that conform to a schema, and schemas that would cost too much."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuseboard.simulator.text.pattern import PatternError, write_match
from fuseboard.simulator.text.schema_sampler import (
    MAX_CHARACTERS,
    MAX_VALUES,
    SchemaError,
    sample,
)


def value_of(schema: Mapping[str, object], seed: int = 1) -> Any:
    return sample(schema, lambda name: f"a text for {name}", random.Random(seed))


def nested_arrays(depth: int, items: int) -> dict[str, object]:
    schema: dict[str, object] = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "array", "minItems": items, "items": schema}
    return schema


def branching(depth: int) -> dict[str, object]:
    """Return a schema that is small, but refers to itself so often that its value is not."""
    definitions = {
        f"d{n}": {
            "type": "array",
            "prefixItems": [{"$ref": f"#/$defs/d{n + 1}"}] * 10,
            "minItems": 10,
        }
        for n in range(depth)
    }
    definitions[f"d{depth}"] = {"type": "string"}
    return {"$ref": "#/$defs/d0", "$defs": definitions}


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (nested_arrays(7, 100), "more than 5,000 values"),
        (nested_arrays(1, 10**9), "more than 5,000 values"),
        (nested_arrays(1, 10**15), "more than 5,000 values"),
        (nested_arrays(500, 1), "nests deeper"),
        (branching(9), "more than 5,000 values"),
        ({"$ref": "#"}, "refers to itself"),
        ({"allOf": [{"$ref": "#"}]}, "refers to itself"),
        ({"type": "array", "items": {"$ref": "#"}, "minItems": 1}, "refers to itself"),
        ({"type": "object", "required": ["a"], "additionalProperties": {"$ref": "#"}}, "itself"),
        ({"type": "object", "minProperties": 10**9}, "more than 5,000 values"),
        ({"type": "string", "minLength": 10**9}, "characters"),
        ({"type": "array", "minItems": 4000, "items": {"const": "x" * 1000}}, "characters"),
        ({"type": "array", "minItems": 4000, "items": {"const": ["x"] * 1000}}, "characters"),
        ({"type": "string", "pattern": "(((a{999}){999}){999}){999}"}, "its texts are too long"),
        ({"type": "string", "pattern": "((((){999}){999}){999}){999}"}, "its texts are too long"),
        (
            {"type": "array", "minItems": 4000, "items": {"pattern": "(){5000}"}},
            "characters",
        ),
        ({"type": "string", "pattern": "a" * 5000}, "it is too long"),
        ({"type": "string", "pattern": "(" * 1000 + ")" * 1000}, "nested too deep"),
        ({"$ref": "#/nowhere"}, "there is no '#/nowhere' in it"),
        ({"not": {}}, "does not support 'not'"),
        ({"type": "array", "minItems": 3, "items": {"enum": [1, 2]}, "uniqueItems": True}, "3"),
        ({"type": "integer", "minimum": 3, "maximum": 2}, "no whole number"),
        ({"type": "integer", "minimum": 3, "maximum": 4, "multipleOf": 5}, "no whole number"),
        ({"type": "array", "minItems": 3, "maxItems": 2}, "minItems and maxItems"),
        ({"required": ["a"], "properties": {"a": False}}, "nothing conforms to false"),
    ],
)
def test_what_cannot_be_or_costs_too_much_is_refused_at_once(
    schema: Mapping[str, object], why: str
) -> None:
    with pytest.raises(SchemaError, match=re.escape(why)):
        value_of(schema)


def test_optional_parts_are_left_out_where_they_are_too_many() -> None:
    properties = {
        f"p{n}": {"type": "array", "items": {"$ref": "#"}, "maxItems": 2} for n in range(20)
    }
    schema = {"type": "object", "properties": properties, "required": ["p3"]}
    assert value_of(schema) == {"p3": []}


def test_a_recursive_schema_ends_where_it_can() -> None:
    tree = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "left": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
            "others": {"type": "array", "items": {"$ref": "#"}},
        },
        "required": ["name", "left"],
    }
    value = value_of(tree)
    assert value["left"]["left"]["name"]
    while value["left"] is not None:
        value = value["left"]


def conforms(value: Any, schema: Mapping[str, Any]) -> bool:
    """Check a value against a schema, independently of what made it."""
    if "enum" in schema:
        return value in schema["enum"]
    if "anyOf" in schema:
        return any(conforms(value, branch) for branch in schema["anyOf"])
    if "allOf" in schema:
        return all(conforms(value, part) for part in schema["allOf"])
    match schema["type"]:
        case "string":
            return isinstance(value, str) and (
                schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 10**9)
            )
        case "boolean":
            return isinstance(value, bool)
        case "null":
            return value is None
        case "integer" | "number" as kind:
            step = schema.get("multipleOf")
            return (
                type(value) in ((int,) if kind == "integer" else (int, float))
                and schema.get("minimum", value) <= value <= schema.get("maximum", value)
                and value > schema.get("exclusiveMinimum", value - 1)
                and (step is None or value % step == 0)
            )
        case "array":
            items = [json.dumps(item) for item in value]
            return (
                schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 10**9)
                and all(conforms(item, schema["items"]) for item in value)
                and (not schema.get("uniqueItems") or len(set(items)) == len(items))
            )
        case _:
            return set(schema.get("required", ())) <= set(value) and all(
                conforms(value[key], part)
                for key, part in schema["properties"].items()
                if key in value
            )


def bounded(low: str, high: str, least: int, most: int) -> st.SearchStrategy[dict[str, int]]:
    return st.tuples(st.integers(least, most), st.integers(least, most)).map(
        lambda pair: {low: min(pair), high: max(pair)}
    )


SCALARS = st.one_of(
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.lists(st.integers() | st.text(), min_size=1).map(lambda each: {"enum": each}),
    bounded("minLength", "maxLength", 0, 200).map(lambda part: {"type": "string", **part}),
    bounded("minimum", "maximum", -1000, 1000).map(lambda part: {"type": "integer", **part}),
    bounded("minimum", "maximum", -1000, 1000).map(lambda part: {"type": "number", **part}),
    st.integers(-9, 9).map(lambda low: {"type": "integer", "exclusiveMinimum": low}),
    st.integers(2, 9).map(lambda step: {"type": "integer", "multipleOf": step}),
)


def containers(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda each: {"anyOf": each}),
        st.tuples(inner, bounded("minItems", "maxItems", 0, 4)).map(
            lambda pair: {"type": "array", "items": pair[0], **pair[1]}
        ),
        st.dictionaries(st.text(max_size=5), inner, max_size=4).flatmap(
            lambda properties: st.sets(st.sampled_from(sorted(properties) or ["x"])).map(
                lambda required: {
                    "type": "object",
                    "properties": properties,
                    "required": sorted(required & set(properties)),
                }
            )
        ),
    )


@given(st.recursive(SCALARS, containers, max_leaves=12), st.integers())
def test_values_conform(schema: dict[str, Any], seed: int) -> None:
    assert conforms(value_of(schema, seed), schema)


KEYWORDS = st.sampled_from(
    [
        *("type", "properties", "required", "items", "prefixItems", "minItems", "maxItems"),
        *("uniqueItems", "enum", "const", "default", "$ref", "allOf", "anyOf", "oneOf"),
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
        *("pattern", "minLength", "maxLength", "format", "minProperties"),
        *("additionalProperties", "#", "object", "array", "string", "integer"),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYWORDS, inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=300)
@given(st.dictionaries(KEYWORDS, JSON, max_size=6))
def test_whatever_the_schema_it_is_a_bounded_value_or_refused(schema: dict[str, Any]) -> None:
    try:
        value = value_of(schema)
    except SchemaError:
        pass
    else:
        assert len(json.dumps(value)) < 20 * (MAX_CHARACTERS + MAX_VALUES)


@pytest.mark.parametrize(
    "pattern",
    [
        r"^\d{5}(-\d{4})?$",
        r"^[A-Z][a-z]+( [A-Z][a-z]+)*$",
        r"^(red|green|blue)$",
        r"^[\w.+-]+@[a-z]+\.(com|org)$",
        r"^#[0-9a-fA-F]{6}$",
        r"^(?:[01]\d|2[0-3]):[0-5]\d$",
        r"^(?<year>\d{4})-\w+?$",
        r"[^a-z]{3,}",
        r"^\S+\x41\u0042$",
        r"^[a-z-]+[\]\\]$",
        "",
        "a|",
        r"^.{3}\n$",
    ],
)
def test_texts_match_their_pattern(pattern: str) -> None:
    rng = random.Random(2)
    python = re.compile(pattern.replace("(?<year>", "(?P<year>"))
    for _ in range(50):
        text, _ = write_match(pattern, rng)
        assert python.search(text), text
    if pattern == r"^[A-Z][a-z]+( [A-Z][a-z]+)*$":
        assert len(write_match(pattern, rng, 20)[0]) >= 20


@pytest.mark.parametrize(
    "pattern",
    [*["(", ")", "[", "a{", "a{2,1}", "*", "(?=a)", "(?<!a)b", r"\1", r"\p{L}", "[z-a]", "[^ -~]"]],
)
def test_other_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(PatternError, match="the pattern '"):
        write_match(pattern, random.Random(1))


@given(st.text("()[]{}|*+?^$\\-.,:<>=!0123abdwux ", max_size=30))
def test_whatever_the_pattern_it_is_a_bounded_text_or_refused(pattern: str) -> None:
    try:
        text, steps = write_match(pattern, random.Random(1))
    except PatternError:
        pass
    else:
        assert len(text) <= steps <= 20_001
