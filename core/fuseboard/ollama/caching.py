"""An Ollama client that asks only for what it does not know."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Unpack

from fuseboard.ollama.client import EmbedSettings, OllamaClient, TextSettings, without_none
from fuseboard.ollama.response_cache import ResponseCache
from fuseboard.ollama.responses import (
    Embeddings,
    Message,
    Model,
    ModelDetails,
    RunningModel,
    TextChunk,
)


class CachingClient:
    """Has the methods of `OllamaClient`, and a cache in front of it.

    Kept are embeddings, and texts that come out the same each time: those with
    temperature 0 or a seed among their options. What is kept does not go
    through a breaker, so that it is there while the breaker is open. A text
    whose reader stops before its end is not kept.
    """

    def __init__(self, client: OllamaClient, cache: ResponseCache) -> None:
        self._client = client
        self._cache = cache

    async def __aenter__(self) -> CachingClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections; what is kept stays."""
        await self._client.aclose()

    def generate(
        self, prompt: str, *, model: str, system: str = "", **settings: Unpack[TextSettings]
    ) -> AsyncGenerator[TextChunk, None]:
        """Stream the completion of a prompt, as `OllamaClient.generate()` does."""

        def ask() -> AsyncGenerator[TextChunk, None]:
            return self._client.generate(prompt, model=model, system=system, **settings)

        if not is_deterministic(settings.get("options")):
            return ask()
        return self._cache.stream(_key("generate", model, [system, prompt], settings), ask)

    def chat(
        self, messages: Sequence[Message], *, model: str, **settings: Unpack[TextSettings]
    ) -> AsyncGenerator[TextChunk, None]:
        """Stream the next message of a chat, as `OllamaClient.chat()` does."""

        def ask() -> AsyncGenerator[TextChunk, None]:
            return self._client.chat(messages, model=model, **settings)

        if not is_deterministic(settings.get("options")):
            return ask()
        said = [[message.role, message.content] for message in messages]
        return self._cache.stream(_key("chat", model, said, settings), ask)

    async def embed(
        self, inputs: Sequence[str], *, model: str, **settings: Unpack[EmbedSettings]
    ) -> Embeddings:
        """Embed texts, one vector for each."""

        async def ask() -> AsyncGenerator[Embeddings, None]:
            yield await self._client.embed(inputs, model=model, **settings)

        key = _key("embed", model, list(inputs), settings)
        # To its end: a flight that is left before that is cancelled.
        (embeddings,) = [answer async for answer in self._cache.stream(key, ask)]
        return embeddings

    async def tags(self) -> tuple[Model, ...]:
        """List the models that the server has now."""
        return await self._client.tags()

    async def ps(self) -> tuple[RunningModel, ...]:
        """List the models that the server has in memory now."""
        return await self._client.ps()

    async def show(self, model: str) -> ModelDetails:
        """Ask what the server knows of a model."""
        return await self._client.show(model)

    async def version(self) -> str:
        """Ask for the server's version."""
        return await self._client.version()


def is_deterministic(options: Mapping[str, Any] | None) -> bool:
    """Say whether a model answers the same each time with these options."""
    options = options or {}
    temperature, seed = options.get("temperature"), options.get("seed")
    if type(temperature) in (int, float) and temperature == 0:
        return True
    return type(seed) is int and seed >= 0  # to Ollama, -1 is no seed


def _key(operation: str, model: str, asked: object, settings: Mapping[str, Any]) -> str:
    return json.dumps([operation, model, asked, without_none(settings)], sort_keys=True)
