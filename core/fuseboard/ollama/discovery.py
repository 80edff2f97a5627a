"""Finding the Ollama to talk to, and having a model on it ready."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from fuseboard.ollama.client import OllamaClient, OllamaError
from fuseboard.ollama.deadlines import Deadlines
from fuseboard.ollama.responses import Model

DEFAULT_MODEL = "llama3.2"
DEFAULT_EMBEDDING_MODEL = "nomic-embed-text"
_LOADING_SECONDS = 300.0  # Ollama itself gives up on a load after five minutes
_PATIENCE = Deadlines(connect=1.0, first_token=2.0, between_tokens=2.0, total=4.0)


_logger = logging.getLogger(__name__)


class NoModelError(Exception):
    """The server answers, but does not have the model; the message says what to do."""


@dataclass(frozen=True, slots=True)
class DiscoveredOllama:
    """A server and the models on it to use."""

    url: str
    model: str
    """The one that speaks."""
    embedding_model: str
    """The one that embeds; empty if none is known."""
    problem: str = ""
    """Why it did not answer, if it did not."""


async def discover(
    url: str,
    wanted: str | None,
    wanted_to_embed: str | None,
    *,
    must_embed: bool,
    api_key: str = "",
) -> DiscoveredOllama:
    """Ask a server which models it has, and choose one that speaks and one that embeds.

    One that does not answer is assumed to have what is wanted of it.

    Raises:
        NoModelError: If it has no model, not the wanted ones, or none that
            embeds although one must.
    """
    try:
        async with OllamaClient(url, {}, deadlines=_PATIENCE, api_key=api_key) as client:
            models = await client.tags()
    except OllamaError as error:
        assumed = wanted_to_embed or (DEFAULT_EMBEDDING_MODEL if must_embed else "")
        return DiscoveredOllama(url, wanted or DEFAULT_MODEL, assumed, problem=error.reason)
    model = _choose(models, wanted, url)
    embedding_model = _choose_embedding(models, wanted_to_embed, url)
    if must_embed and not embedding_model:
        raise NoModelError(
            f"the Ollama at {url} has no model that is known to embed: pull one with"
            f" `ollama pull {DEFAULT_EMBEDDING_MODEL}`, name one with --embedding-model,"
            " or ask without it with --traffic generate"
        )
    return DiscoveredOllama(url, model, embedding_model)


async def load_model(url: str, model: str, *, embeds: bool = False, api_key: str = "") -> None:
    """Have a server load a model, and wait for it; if it cannot, the next call will tell."""
    patience = Deadlines(
        first_token=_LOADING_SECONDS, between_tokens=_LOADING_SECONDS, total=_LOADING_SECONDS
    )
    try:
        async with OllamaClient(url, {}, deadlines=patience, api_key=api_key) as client:
            if embeds:
                await client.embed(["load"], model=model)
                return
            # An empty prompt only loads; servers that know no such thing make one token.
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
    speaking = [model for model in models if not _embeds(model)]
    return _default(speaking, DEFAULT_MODEL) or models[0].name


def _choose_embedding(models: Sequence[Model], wanted: str | None, url: str) -> str:
    if wanted is not None:
        return _find(models, wanted, url, "--embedding-model")
    return _default([model for model in models if _embeds(model)], DEFAULT_EMBEDDING_MODEL)


def _find(models: Sequence[Model], wanted: str, url: str, option: str) -> str:
    found = _named(models, wanted)
    if not found:
        names = ", ".join(sorted(model.name for model in models))
        raise NoModelError(
            f"the Ollama at {url} has no model {wanted!r}: pull it with `ollama pull {wanted}`,"
            f" or choose one it has with {option}: {names}"
        )
    return found


def _default(models: Sequence[Model], default: str) -> str:
    return _named(models, default) or next((model.name for model in models), "")


def _named(models: Sequence[Model], wanted: str) -> str:
    names = (model.name for model in models)
    return next((name for name in names if name in {wanted, f"{wanted}:latest"}), "")


def _embeds(model: Model) -> bool:
    return "bert" in model.family or "embed" in model.name
