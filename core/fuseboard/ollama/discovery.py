"""Choosing the models to use on an Ollama server, and loading them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from fuseboard.ollama.client import OllamaClient, OllamaError
from fuseboard.ollama.deadlines import Deadlines
from fuseboard.ollama.model_choice import (
    COMPLETION,
    ELSEWHERE,
    EMBEDDING,
    ChosenModel,
    ModelChooser,
)
from fuseboard.ollama.other_servers import recognize
from fuseboard.ollama.responses import Model

DEFAULT_MODEL = "llama3.2"
DEFAULT_EMBEDDING_MODEL = "nomic-embed-text"
_LOAD_TIMEOUT = 300.0  # seconds; Ollama itself gives up loading after five minutes
_DISCOVERY_DEADLINES = Deadlines(connect=1.0, first_token=2.0, between_tokens=2.0, total=4.0)
_MAX_LISTED = 20  # names of models in a message

_logger = logging.getLogger(__name__)


class NoModelError(Exception):
    """The server responds, but lacks a model; the message says what to do."""


@dataclass(frozen=True, slots=True)
class DiscoveredOllama:
    """A server and the models to use on it."""

    url: str
    model: ChosenModel
    """The model that generates text; its name is empty if none is needed and none is there."""
    embedding_model: ChosenModel
    """The model that embeds; its name is empty if none is known."""
    problem: str = ""
    """Why the server did not respond; empty if it did."""
    other_server: str = ""
    """What answers there if it is no Ollama."""

    @property
    def notices(self) -> tuple[str, ...]:
        """What the user should know about the choice."""
        chosen = [
            f"{does} {model}"
            for does, model in (("calls", self.model), ("embeds with", self.embedding_model))
            if model.reason
        ]
        return (*([", ".join(chosen)] if chosen else []), *self.warnings)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Which of the models run elsewhere."""
        return tuple(
            f"{model.name} runs {_at(model.remote_host)}: prompts leave this machine"
            for model in dict.fromkeys((self.model, self.embedding_model))
            if model.remote_host
        )


async def discover(
    url: str,
    model: str | None,
    embedding_model: str | None,
    *,
    must_embed: bool,
    may_embed: bool = True,
    must_generate: bool = True,
    api_key: str = "",
) -> DiscoveredOllama:
    """Choose a model that generates text and one that embeds from those a server has.

    A model that is not named is one that runs on the server itself and that can
    do what is needed, as the server says: a loaded one, else the smallest. A
    server that does not respond is assumed to have the requested models. Nothing
    is generated and nothing loaded.

    Args:
        url: The base URL of the server.
        model: The model to generate text with; `None` for any.
        embedding_model: The model to embed with; `None` for any.
        must_embed: Whether an embedding model is required.
        may_embed: Whether an embedding model that is not named is looked for.
        must_generate: Whether a model that generates text is required.
        api_key: The key of the server; empty for none.

    Raises:
        NoModelError: If the server has no model, lacks a requested one, or has
            none that can do what is required.
    """
    async with OllamaClient(url, {}, deadlines=_DISCOVERY_DEADLINES, api_key=api_key) as client:
        try:
            models = await client.tags()
        except OllamaError as error:
            if other_server := await recognize(url, api_key):
                nothing = ChosenModel("")
                return DiscoveredOllama(url, nothing, nothing, error.reason, other_server)
            assumed = embedding_model or (DEFAULT_EMBEDDING_MODEL if must_embed else "")
            return DiscoveredOllama(
                url,
                ChosenModel(model or DEFAULT_MODEL),
                ChosenModel(assumed),
                problem=error.reason,
            )
        if not models:
            raise NoModelError(
                f"the Ollama at {url} has no model: pull one with"
                f" `ollama pull {model or DEFAULT_MODEL}`, or use the simulator with --simulate"
            )
        chooser = ModelChooser(client, models, await _loaded(client))
        return DiscoveredOllama(
            url,
            await _choose_text_model(chooser, models, model, url, is_needed=must_generate),
            await _choose_embedding_model(
                chooser, models, embedding_model, url, is_needed=must_embed
            )
            if may_embed
            else ChosenModel(embedding_model or ""),
        )


async def _loaded(client: OllamaClient) -> list[str]:
    """Return the names of the models in memory; of none if the server does not tell."""
    try:
        return [model.name for model in await client.ps()]
    except OllamaError:
        return []


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


async def _choose_text_model(
    chooser: ModelChooser, models: Sequence[Model], wanted: str | None, url: str, *, is_needed: bool
) -> ChosenModel:
    if wanted is not None:
        found = _find(chooser, models, wanted, url, "--model")
        if is_needed and await chooser.lacks(found, COMPLETION):
            raise NoModelError(
                f"{found.name} on the Ollama at {url} does not generate text:"
                " choose another with --model"
            )
        return await chooser.named(found)
    chosen = await chooser.choose(COMPLETION)
    if chosen is None and is_needed:
        remote = _listed(sorted(model.name for model in models if model.is_remote))
        raise NoModelError(
            f"the Ollama at {url} has no model of its own that generates text: pull one with"
            f" `ollama pull {DEFAULT_MODEL}`"
            + (f", or name one that runs elsewhere with --model: {remote}" if remote else "")
        )
    return chosen or ChosenModel("")


async def _choose_embedding_model(
    chooser: ModelChooser, models: Sequence[Model], wanted: str | None, url: str, *, is_needed: bool
) -> ChosenModel:
    if wanted is not None:
        # Most models that generate text embed as well, though they do not say so.
        return await chooser.named(_find(chooser, models, wanted, url, "--embedding-model"))
    chosen = await chooser.choose(EMBEDDING)
    if chosen is None and is_needed:
        raise NoModelError(
            f"the Ollama at {url} has no model that is known to embed: pull one with"
            f" `ollama pull {DEFAULT_EMBEDDING_MODEL}`, name one with --embedding-model,"
            " or ask without it with --traffic generate"
        )
    return chosen or ChosenModel("")


def _find(
    chooser: ModelChooser, models: Sequence[Model], wanted: str, url: str, option: str
) -> Model:
    found = chooser.find(wanted)
    if found is None:
        names = _listed(sorted(model.name for model in models))
        raise NoModelError(
            f"the Ollama at {url} has no model {wanted!r}: pull it with `ollama pull {wanted}`,"
            f" or choose one it has with {option}: {names}"
        )
    return found


def _at(host: str) -> str:
    return host if host == ELSEWHERE else f"at {host}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MAX_LISTED
    return ", ".join(names[:_MAX_LISTED]) + (f" and {more} more" if more > 0 else "")
