"""What Ollama answers, as typed values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fuseboard.judges.ollama import UnexpectedAnswerError


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of a streamed text; the last one says how it ended."""

    text: str
    done: bool = False
    done_reason: str = ""
    """Why the text ended: `stop`, `length`; empty before the end."""
    tokens: int = 0
    """How many tokens the whole text has; 0 before the end."""
    seconds: float = 0.0
    """How long the server worked on it in all; 0 before the end."""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """One vector for each input, in their order."""

    model: str
    vectors: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Model:
    """A model that the server has."""

    name: str
    family: str = ""
    size: int = 0
    """Bytes on disk."""


def generated(item: Mapping[str, Any]) -> Piece:
    """Read one object of a generate stream."""
    return _piece(item, _text(item, "response"))


def chatted(item: Mapping[str, Any]) -> Piece:
    """Read one object of a chat stream."""
    message = item.get("message", {})
    if not isinstance(message, dict):
        raise UnexpectedAnswerError("message is not an object")
    return _piece(item, _text(message, "content"))


def embedded(item: Mapping[str, Any]) -> Embeddings:
    """Read the answer to an embed request."""
    try:
        vectors = tuple(tuple(float(value) for value in vector) for vector in item["embeddings"])
    except (KeyError, TypeError, ValueError) as error:
        raise UnexpectedAnswerError("embeddings are not lists of numbers") from error
    return Embeddings(_text(item, "model"), vectors)


def listed(item: Mapping[str, Any]) -> tuple[Model, ...]:
    """Read the answer to a tags request."""
    try:
        return tuple(
            Model(
                name=str(model["name"]),
                family=str((model.get("details") or {}).get("family", "")),
                size=int(model.get("size", 0)),
            )
            for model in item["models"]
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UnexpectedAnswerError("models are not objects with names") from error


def version_in(item: Mapping[str, Any]) -> str:
    """Read the answer to a version request."""
    return _text(item, "version")


def _piece(item: Mapping[str, Any], text: str) -> Piece:
    if item.get("done") is not True:
        return Piece(text)
    return Piece(
        text,
        done=True,
        done_reason=_text(item, "done_reason"),
        tokens=_number(item, "eval_count"),
        seconds=_number(item, "total_duration") / 1e9,
    )


def _text(item: Mapping[str, Any], key: str) -> str:
    value = item.get(key, "")
    if not isinstance(value, str):
        raise UnexpectedAnswerError(f"{key} is not text")
    return value


def _number(item: Mapping[str, Any], key: str) -> int:
    value = item.get(key, 0)
    if not isinstance(value, int):
        raise UnexpectedAnswerError(f"{key} is not a whole number")
    return value
