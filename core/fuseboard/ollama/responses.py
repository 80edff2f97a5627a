"""What Ollama answers, as typed values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fuseboard.http.judges.ollama import UnexpectedResponseError

_MOST = 2**63  # what no number that Ollama sends can reach


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class TextChunk:
    """One piece of a text; the last one has the figures, which are 0 before."""

    text: str
    done: bool = False
    done_reason: str = ""
    """Why the text ended: `stop`, `length`; empty before the end."""
    prompt_tokens: int = 0
    """How many tokens of the prompt were read; what the server had kept is not read again."""
    tokens: int = 0
    """How many tokens the whole text has."""
    seconds: float = 0.0
    """How long the server worked on it in all."""
    load_seconds: float = 0.0
    """How long of it the model was loaded,"""
    prompt_seconds: float = 0.0
    """the prompt read,"""
    text_seconds: float = 0.0
    """and the text made."""


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


@dataclass(frozen=True, slots=True)
class RunningModel:
    """A model that the server has in memory."""

    name: str
    expires_at: datetime
    """When it goes if nobody asks it anything; far ahead if it stays for ever."""
    size: int
    """Bytes in memory of all kinds."""
    size_vram: int
    """Bytes of them in the graphics card's."""
    context_length: int
    """Tokens that it was loaded for; 0 from a server that does not say."""


@dataclass(frozen=True, slots=True)
class ModelDetails:
    """What the server knows of a model; empty or 0 where it does not say."""

    capabilities: frozenset[str]
    """`completion`, `embedding`, `tools`, `vision`, `thinking`, …"""
    family: str
    parameter_size: str
    """How many weights it has, in words: `3.2B`."""
    quantization: str
    """How they are stored: `Q4_K_M`."""
    context_length: int
    """Tokens that it can be loaded for at most."""
    embedding_length: int
    """How many numbers its vectors have."""


def generated(item: Mapping[str, Any]) -> TextChunk:
    """Read one object of a generate stream."""
    return _piece(item, _text(item, "response"))


def chatted(item: Mapping[str, Any]) -> TextChunk:
    """Read one object of a chat stream."""
    return _piece(item, _text(_object(item, "message"), "content"))


def embedded(item: Mapping[str, Any]) -> Embeddings:
    """Read the answer to an embed request."""
    vectors = tuple(_vector(values) for values in _list(item, "embeddings"))
    return Embeddings(_text(item, "model"), vectors)


def listed(item: Mapping[str, Any]) -> tuple[Model, ...]:
    """Read the answer to a tags request."""
    return tuple(
        Model(
            name=_name(model),
            family=_text(_object(model, "details"), "family"),
            size=_number(model, "size"),
        )
        for model in _list(item, "models")
    )


def running(item: Mapping[str, Any]) -> tuple[RunningModel, ...]:
    """Read the answer to a ps request."""
    return tuple(
        RunningModel(
            name=_name(model),
            expires_at=_time(model, "expires_at"),
            size=_number(model, "size"),
            size_vram=_number(model, "size_vram"),
            context_length=_number(model, "context_length"),
        )
        for model in _list(item, "models")
    )


def shown(item: Mapping[str, Any]) -> ModelDetails:
    """Read the answer to a show request."""
    details, facts = _object(item, "details"), _object(item, "model_info")
    architecture = _text(facts, "general.architecture")
    capabilities = _list(item, "capabilities") if item.get("capabilities") else []
    if not all(isinstance(capability, str) for capability in capabilities):
        raise UnexpectedResponseError("capabilities are not texts")
    return ModelDetails(
        capabilities=frozenset(capabilities),
        family=_text(details, "family"),
        parameter_size=_text(details, "parameter_size"),
        quantization=_text(details, "quantization_level"),
        context_length=_number(facts, f"{architecture}.context_length", "context length"),
        embedding_length=_number(facts, f"{architecture}.embedding_length", "embedding length"),
    )


def version_in(item: Mapping[str, Any]) -> str:
    """Read the answer to a version request."""
    return _text(item, "version")


def _piece(item: Mapping[str, Any], text: str) -> TextChunk:
    if item.get("done") is not True:
        return TextChunk(text)
    return TextChunk(
        text,
        done=True,
        done_reason=_text(item, "done_reason"),
        prompt_tokens=_number(item, "prompt_eval_count"),
        tokens=_number(item, "eval_count"),
        seconds=_seconds(item, "total_duration"),
        load_seconds=_seconds(item, "load_duration"),
        prompt_seconds=_seconds(item, "prompt_eval_duration"),
        text_seconds=_seconds(item, "eval_duration"),
    )


def _name(model: object) -> str:
    name = model.get("name") if isinstance(model, dict) else None
    if not isinstance(name, str):
        raise UnexpectedResponseError("models are not objects with names")
    return name


def _vector(values: object) -> tuple[float, ...]:
    if not isinstance(values, list) or not all(map(_is_number, values)):
        raise UnexpectedResponseError("embeddings are not lists of numbers")
    return tuple(map(float, values))


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and -_MOST < value < _MOST  # type: ignore[operator]


def _object(item: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = item.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UnexpectedResponseError(f"{key} is not an object")
    return value


def _list(item: Mapping[str, Any], key: str) -> Sequence[Any]:
    value = item.get(key)
    if not isinstance(value, list):
        raise UnexpectedResponseError(f"{key} is not a list")
    return value


def _text(item: Mapping[str, Any], key: str) -> str:
    value = item.get(key, "")
    if not isinstance(value, str):
        raise UnexpectedResponseError(f"{key} is not text")
    return value


def _number(item: Mapping[str, Any], key: str, called: str = "") -> int:
    value = item.get(key, 0)
    if type(value) is not int or not -_MOST < value < _MOST:
        raise UnexpectedResponseError(f"{called or key} is not a whole number")
    return value


def _seconds(item: Mapping[str, Any], key: str) -> float:
    return _number(item, key) / 1e9


def _time(item: Mapping[str, Any], key: str) -> datetime:
    try:
        return datetime.fromisoformat(_text(item, key))
    except ValueError:
        raise UnexpectedResponseError(f"{key} is not a time") from None
