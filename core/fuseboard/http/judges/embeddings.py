"""Checking that a response has an embedding for each text that was sent."""

from __future__ import annotations

import base64
import binascii
import json
import re
import sys
from array import array
from collections.abc import Mapping
from math import isfinite
from typing import Any

from fuseboard.http.judge import Request
from fuseboard.http.judges.json_object import InvalidResponseError

_ROUTES = ("/embed", "/embeddings", "/embedding", "/embed_all")

# Settings of a request that ask for embeddings of integers or bits.
_OTHER_NUMBERS = ("output_dtype", "embedding_type", "embedding_types")

# How Ollama words it, under a 400, when it could not reach the process that runs the model.
_RUNNER_CRASHED = re.compile(
    r"do embedding request|\beof\b|connection (?:refused|reset|was)|forcibly closed|broken pipe"
    r"|dial tcp|i/o timeout|wsa(?:recv|send)|socket address|\brunner\b|(?:cuda|rocm) error"
    r"|out of memory|failed to allocate|unsupported value: nan",
    re.IGNORECASE,
)


def is_embedding_route(path: str) -> bool:
    """Return whether a path is one that embeds texts."""
    return path.endswith(_ROUTES)


def tells_of_a_crash(message: str) -> bool:
    """Return whether the message of a 400 on an embedding tells of a runner that crashed."""
    return _RUNNER_CRASHED.search(message) is not None


def check_embeddings(parsed: Any, request: Request) -> None:
    """Check a parsed response of any API that embeds: OpenAI's, Ollama's, TEI's.

    Raises:
        InvalidResponseError: If it has no embeddings, not one for each input,
            or one without numbers, with NaN or with `null`.
    """
    asked = _parsed_body(request)
    inputs = _number_of_inputs(asked)
    vectors = _vectors(parsed)
    if vectors is None or (inputs is None and not vectors):
        raise InvalidResponseError("answer without embeddings")
    if inputs and len(vectors) != inputs:  # what an empty input gives differs
        raise InvalidResponseError("there is not one embedding for each input")
    check = _is_vector if asked.keys().isdisjoint(_OTHER_NUMBERS) else bool
    if not all(map(check, vectors)):
        raise InvalidResponseError("embeddings are not lists of numbers")


def _vectors(parsed: Any) -> list[Any] | None:
    match parsed:
        case {"data": list(items)}:
            return [item.get("embedding") if isinstance(item, dict) else item for item in items]
        case {"embeddings": dict(by_type)}:  # Cohere's: one list for each type of number
            return next((list(v) for v in by_type.values() if isinstance(v, list)), None)
        case {"embeddings": list(vectors)}:
            return list(vectors)
        case {"embeddings": str(packed)}:
            return [packed]
        case {"embedding": []}:
            return []
        case {"embedding": vector}:
            return [vector]
        case list():  # TEI's; llama.cpp's own are objects in a list
            return [item.get("embedding") if isinstance(item, dict) else item for item in parsed]
    return None


def _is_vector(vector: Any) -> bool:
    if isinstance(vector, str):
        return _is_packed_vector(vector)
    if isinstance(vector, Mapping):
        return bool(vector) and all(map(_is_vector, vector.values()))
    if not isinstance(vector, list) or not vector:
        return False
    if isinstance(vector[0], list):  # one for each token
        return all(isinstance(part, list) and _has_numbers(part) for part in vector)
    return _has_numbers(vector)


def _has_numbers(vector: list[Any]) -> bool:
    try:
        return bool(vector) and isfinite(sum(vector))  # NaN and infinity spread to the sum
    except (TypeError, OverflowError):
        return False


def _is_packed_vector(text: str) -> bool:
    """Return whether base64 holds numbers, which are 32-bit floats if it can."""
    try:
        packed = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return bool(text)
    if len(packed) % 4:
        return bool(packed)
    numbers = array("f", packed)
    if sys.byteorder == "big":
        numbers.byteswap()
    return bool(numbers) and all(map(isfinite, numbers))


def _parsed_body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(request.content)
    except (RuntimeError, ValueError):
        return {}
    return body if isinstance(body, dict) else {}


def _number_of_inputs(asked: Mapping[str, Any]) -> int | None:
    """Return how many embeddings a request asks for; `None` if it does not tell."""
    for name in ("input", "inputs", "texts", "prompt"):
        inputs = asked.get(name)
        if isinstance(inputs, str):
            return 1 if inputs else 0
        if isinstance(inputs, list):  # a list of numbers is one text in tokens
            return 1 if inputs and isinstance(inputs[0], int) else len(inputs)
    return None
