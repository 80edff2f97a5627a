"""Choosing the models to use on an Ollama server, and loading them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from fuseboard.ollama.client import OllamaClient, OllamaError
from fuseboard.ollama.deadlines import Deadlines
from fuseboard.ollama.responses import Model

DEFAULT_MODEL = "llama3.2"
DEFAULT_EMBEDDING_MODEL = "nomic-embed-text"
_LOAD_TIMEOUT = 300.0  # seconds; Ollama itself gives up loading after five minutes
_DISCOVERY_DEADLINES = Deadlines(connect=1.0, first_token=2.0, between_tokens=2.0, total=4.0)

_logger = logging.getLogger(__name__)


class NoModelError(Exception):
    """The server responds, but lacks a model; the message says what to do."""


@dataclass(frozen=True, slots=True)
class DiscoveredOllama:
    """A server and the models to use on it."""

    url: str
    model: str
    """The model that generates text."""
    embedding_model: str
    """The model that embeds; empty if none is known."""
    problem: str = ""
    """Why the server did not respond; empty if it did."""


async def discover(
    url: str,
    model: str | None,
    embedding_model: str | None,
    *,
    must_embed: bool,
    api_key: str = "",
) -> DiscoveredOllama:
    """Choose a model that generates text and one that embeds from those a server has.

    A server that does not respond is assumed to have the requested models.

    Args:
        url: The base URL of the server.
        model: The model to generate text with; `None` for any.
        embedding_model: The model to embed with; `None` for any.
        must_embed: Whether an embedding model is required.
        api_key: The key of the server; empty for none.

    Raises:
        NoModelError: If the server has no model, lacks a requested one, or has
            none that embeds although one is required.
    """
    try:
        async with OllamaClient(url, {}, deadlines=_DISCOVERY_DEADLINES, api_key=api_key) as client:
            models = await client.tags()
    except OllamaError as error:
        assumed = embedding_model or (DEFAULT_EMBEDDING_MODEL if must_embed else "")
        return DiscoveredOllama(url, model or DEFAULT_MODEL, assumed, problem=error.reason)
    model = _choose(models, model, url)
    embedding_model = _choose_embedding(models, embedding_model, url)
    if must_embed and not embedding_model:
        raise NoModelError(
            f"the Ollama at {url} has no model that is known to embed: pull one with"
            f" `ollama pull {DEFAULT_EMBEDDING_MODEL}`, name one with --embedding-model,"
            " or ask without it with --traffic generate"
        )
    return DiscoveredOllama(url, model, embedding_model)


async def load_model(url: str, model: str, *, embeds: bool = False, api_key: str = "") -> None:
    """Load a model into the server's memory and wait for it.

    A failure is only logged: the next call that needs the model will report it.
    """
    deadlines = Deadlines(
        first_token=_LOAD_TIMEOUT, between_tokens=_LOAD_TIMEOUT, total=_LOAD_TIMEOUT
    )
    try:
        async with OllamaClient(url, {}, deadlines=deadlines, api_key=api_key) as client:
            if embeds:
                await client.embed(["load"], model=model)
                return
            # An empty prompt only loads; other servers than Ollama generate one token for it.
            async for _ in client.generate("", model=model, options={"num_predict": 1}):
                pass
    except OllamaError as error:
        _logger.info("%s was not loaded: %s", model, error)


def _choose(models: Sequence[Model], wanted: str | None, url: str) -> str:
    if not models:
        raise NoModelError(
            f"the Ollama at {url} has no model: pull one with"
            f" `ollama pull {wanted or DEFAULT_MODEL}`, or use the simulator with --simulate"
        )
    if wanted is not None:
        return _find(models, wanted, url, "--model")
    generating = [model for model in models if not _embeds(model)]
    return _default(generating, DEFAULT_MODEL) or models[0].name


def _choose_embedding(models: Sequence[Model], wanted: str | None, url: str) -> str:
    if wanted is not None:
        return _find(models, wanted, url, "--embedding-model")
    return _default([model for model in models if _embeds(model)], DEFAULT_EMBEDDING_MODEL)


def _find(models: Sequence[Model], wanted: str, url: str, option: str) -> str:
    found = _find_name(models, wanted)
    if not found:
        names = ", ".join(sorted(model.name for model in models))
        raise NoModelError(
            f"the Ollama at {url} has no model {wanted!r}: pull it with `ollama pull {wanted}`,"
            f" or choose one it has with {option}: {names}"
        )
    return found


def _default(models: Sequence[Model], default: str) -> str:
    return _find_name(models, default) or next((model.name for model in models), "")


def _find_name(models: Sequence[Model], wanted: str) -> str:
    names = (model.name for model in models)
    return next((name for name in names if name in {wanted, f"{wanted}:latest"}), "")


def _embeds(model: Model) -> bool:
    return "bert" in model.family or "embed" in model.name
