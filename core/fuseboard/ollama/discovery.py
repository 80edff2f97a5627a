"""Finding the Ollama to talk to, and having a model on it ready."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from fuseboard.ollama.answers import Model
from fuseboard.ollama.client import OllamaClient, OllamaError
from fuseboard.ollama.deadlines import Deadlines

DEFAULT_MODEL = "llama3.2"
_LOADING_SECONDS = 300.0  # Ollama itself gives up on a load after five minutes
_PATIENCE = Deadlines(connect=1.0, first_token=2.0, between_tokens=2.0, total=4.0)


_logger = logging.getLogger(__name__)


class NoModelError(Exception):
    """The server answers, but does not have the model; the message says what to do."""


@dataclass(frozen=True, slots=True)
class FoundOllama:
    """A server and the model on it to use."""

    url: str
    model: str
    problem: str = ""
    """Why it did not answer, if it did not."""


async def look_at(url: str, wanted: str | None) -> FoundOllama:
    """Ask a server which models it has and choose one.

    Raises:
        NoModelError: If it has none, or not the wanted one.
    """
    try:
        async with OllamaClient(url, {}, deadlines=_PATIENCE) as client:
            models = await client.tags()
    except OllamaError as error:
        return FoundOllama(url, wanted or DEFAULT_MODEL, problem=error.reason)
    return FoundOllama(url, _choose(models, wanted, url))


async def load(url: str, model: str) -> None:
    """Have a server load a model, and wait for it; if it cannot, the next call will tell."""
    patience = Deadlines(
        first_token=_LOADING_SECONDS, between_tokens=_LOADING_SECONDS, total=_LOADING_SECONDS
    )
    try:
        async with OllamaClient(url, {}, deadlines=patience) as client:
            # An empty prompt only loads; servers that know no such thing make one token.
            async for _ in client.generate("", model=model, options={"num_predict": 1}):
                pass
    except OllamaError as error:
        _logger.info("%s was not loaded: %s", model, error)


def _choose(models: Sequence[Model], wanted: str | None, url: str) -> str:
    names = [model.name for model in models]
    if not names:
        raise NoModelError(
            f"the Ollama at {url} has no model: pull one with"
            f" `ollama pull {wanted or DEFAULT_MODEL}`, or use the simulator with --simulate"
        )
    if wanted is None:
        speaking = [model.name for model in models if not _only_embeds(model)]
        return _find(names, DEFAULT_MODEL) or (speaking or names)[0]
    found = _find(names, wanted)
    if found is None:
        raise NoModelError(
            f"the Ollama at {url} has no model {wanted!r}: pull it with `ollama pull {wanted}`,"
            f" or choose one it has with --model: {', '.join(sorted(names))}"
        )
    return found


def _find(names: Sequence[str], wanted: str) -> str | None:
    return next((name for name in names if name in {wanted, f"{wanted}:latest"}), None)


def _only_embeds(model: Model) -> bool:
    return "bert" in model.family or "embed" in model.name
