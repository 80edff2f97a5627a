"""Ollama's responses as typed values, and the functions that parse them.

Every function raises `InvalidResponseError` if a field has the wrong type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fuseboard.http.judges.json_object import InvalidResponseError

_NUMBER_LIMIT = 2**63  # every number that Ollama sends is smaller


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class TextChunk:
    """One chunk of a generated text; the figures are 0 in all but the last."""

    text: str
    done: bool = False
    done_reason: str = ""
    """Why the text ended: `stop`, `length`; empty before the end."""
    prompt_tokens: int = 0
    """How many tokens of the prompt were evaluated; cached ones are not evaluated again."""
    tokens: int = 0
    """How many tokens the whole text has."""
    seconds: float = 0.0
    """How long the server took in all."""
    load_seconds: float = 0.0
    """The part of it spent on loading the model."""
    prompt_seconds: float = 0.0
    """The part of it spent on evaluating the prompt."""
    text_seconds: float = 0.0
    """The part of it spent on generating the text."""
    thinking: str = ""
    """What a model that thinks says to itself before the text; its tokens count as well."""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """One vector for each input, in the order of the inputs."""

    model: str
    vectors: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Model:
    """A model that the server has."""

    name: str
    family: str = ""
    size: int = 0
    """Bytes on disk."""
    remote_host: str = ""
    """Where it runs, if not on this server; prompts are sent there."""
    remote_model: str = ""
    """Its name there."""

    format: str = ""
    """How its weights are stored: `gguf`; gateways say `cloud`."""

    @property
    def is_remote(self) -> bool:
        """Whether it runs elsewhere, as far as its entry and its tag tell."""
        tag = self.name.rpartition(":")[2]
        return (
            bool(self.remote_host or self.remote_model)
            or self.format == "cloud"
            or tag == "cloud"
            or tag.endswith("-cloud")
        )


@dataclass(frozen=True, slots=True)
class RunningModel:
    """A model that the server has in memory."""

    name: str
    expires_at: datetime
    """When it is unloaded unless used; far in the future if never."""
    size: int
    """Bytes in main and graphics memory."""
    size_vram: int
    """The part of them in graphics memory."""
    context_length: int
    """Tokens of context that it was loaded with; 0 if the server does not report it."""


@dataclass(frozen=True, slots=True)
class ModelDetails:
    """The properties of a model; empty or 0 where the server does not report them."""

    capabilities: frozenset[str]
    """`completion`, `embedding`, `tools`, `vision`, `thinking`, …"""
    family: str
    parameter_size: str
    """How many weights it has: `3.2B`."""
    quantization: str
    """How they are stored: `Q4_K_M`."""
    context_length: int
    """Tokens of context that it can be loaded with at most."""
    embedding_length: int
    """The dimension of its vectors."""
    remote_host: str = ""
    """Where it runs, if not on this server; prompts are sent there."""


def parse_generate(parsed: Mapping[str, Any]) -> TextChunk:
    """Parse one object of a generate stream."""
    return _text_chunk(parsed, _text(parsed, "response"), _text(parsed, "thinking"))


def parse_chat(parsed: Mapping[str, Any]) -> TextChunk:
    """Parse one object of a chat stream."""
    message = _object(parsed, "message")
    return _text_chunk(parsed, _text(message, "content"), _text(message, "thinking"))


def parse_embed(parsed: Mapping[str, Any]) -> Embeddings:
    """Parse the response to an embed request."""
    vectors = tuple(_vector(values) for values in _list(parsed, "embeddings"))
    return Embeddings(_text(parsed, "model"), vectors)


def parse_tags(parsed: Mapping[str, Any]) -> tuple[Model, ...]:
    """Parse the response to a tags request."""
    return tuple(
        Model(
            name=_name(model),
            family=_text(_object(model, "details"), "family"),
            size=_number(model, "size"),
            remote_host=_text(model, "remote_host"),
            remote_model=_text(model, "remote_model"),
            format=_text(_object(model, "details"), "format"),
        )
        for model in _list(parsed, "models")
    )


def parse_ps(parsed: Mapping[str, Any]) -> tuple[RunningModel, ...]:
    """Parse the response to a ps request."""
    return tuple(
        RunningModel(
            name=_name(model),
            expires_at=_time(model, "expires_at"),
            size=_number(model, "size"),
            size_vram=_number(model, "size_vram"),
            context_length=_number(model, "context_length"),
        )
        for model in _list(parsed, "models")
    )


def parse_show(parsed: Mapping[str, Any]) -> ModelDetails:
    """Parse the response to a show request."""
    details, info = _object(parsed, "details"), _object(parsed, "model_info")
    architecture = _text(info, "general.architecture")
    capabilities = _list(parsed, "capabilities") if parsed.get("capabilities") else []
    if not all(isinstance(capability, str) for capability in capabilities):
        raise InvalidResponseError("capabilities are not texts")
    return ModelDetails(
        capabilities=frozenset(capabilities),
        family=_text(details, "family"),
        parameter_size=_text(details, "parameter_size"),
        quantization=_text(details, "quantization_level"),
        context_length=_number(info, f"{architecture}.context_length", "context length"),
        embedding_length=_number(info, f"{architecture}.embedding_length", "embedding length"),
        remote_host=_text(parsed, "remote_host"),
    )


def parse_version(parsed: Mapping[str, Any]) -> str:
    """Parse the response to a version request."""
    return _text(parsed, "version")


def _text_chunk(parsed: Mapping[str, Any], text: str, thinking: str) -> TextChunk:
    if parsed.get("done") is not True:
        return TextChunk(text, thinking=thinking)
    return TextChunk(
        text,
        thinking=thinking,
        done=True,
        done_reason=_text(parsed, "done_reason"),
        prompt_tokens=_number(parsed, "prompt_eval_count"),
        tokens=_number(parsed, "eval_count"),
        seconds=_seconds(parsed, "total_duration"),
        load_seconds=_seconds(parsed, "load_duration"),
        prompt_seconds=_seconds(parsed, "prompt_eval_duration"),
        text_seconds=_seconds(parsed, "eval_duration"),
    )


def _name(model: object) -> str:
    name = model.get("name") if isinstance(model, dict) else None
    if not isinstance(name, str):
        raise InvalidResponseError("models are not objects with names")
    return name


def _vector(values: object) -> tuple[float, ...]:
    if not isinstance(values, list) or not all(map(_is_number, values)):
        raise InvalidResponseError("embeddings are not lists of numbers")
    return tuple(map(float, values))


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and -_NUMBER_LIMIT < value < _NUMBER_LIMIT  # type: ignore[operator]


def _object(parsed: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = parsed.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidResponseError(f"{key} is not an object")
    return value


def _list(parsed: Mapping[str, Any], key: str) -> Sequence[Any]:
    value = parsed.get(key)
    if not isinstance(value, list):
        raise InvalidResponseError(f"{key} is not a list")
    return value


def _text(parsed: Mapping[str, Any], key: str) -> str:
    value = parsed.get(key, "")
    if not isinstance(value, str):
        raise InvalidResponseError(f"{key} is not text")
    return value


def _number(parsed: Mapping[str, Any], key: str, label: str = "") -> int:
    value = parsed.get(key, 0)
    if type(value) is not int or not -_NUMBER_LIMIT < value < _NUMBER_LIMIT:
        raise InvalidResponseError(f"{label or key} is not a whole number")
    return value


def _seconds(parsed: Mapping[str, Any], key: str) -> float:
    return _number(parsed, key) / 1e9


def _time(parsed: Mapping[str, Any], key: str) -> datetime:
    try:
        return datetime.fromisoformat(parsed.get(key, ""))
    except (TypeError, ValueError):
        raise InvalidResponseError(f"{key} is not a time") from None
