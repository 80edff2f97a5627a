"""An Ollama client with a response cache in front of it."""

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
    """A client with the methods of `OllamaClient` and a response cache in front of it.

    Embeddings are cached, and texts that are deterministic: those with
    temperature 0 or a seed in their options. A cached response passes no
    breaker, so it is available while the breaker is open. A text whose reader
    stops before its end is not cached.

    Args:
        client: The client that sends; it is closed together with this one.
        cache: The cache, which other clients may share.
    """

    def __init__(self, client: OllamaClient, cache: ResponseCache) -> None:
        self._client = client
        self._cache = cache

    async def __aenter__(self) -> CachingClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections; the cache keeps its entries."""
        await self._client.aclose()

    def generate(
        self, prompt: str, *, model: str, system: str = "", **settings: Unpack[TextSettings]
    ) -> AsyncGenerator[TextChunk, None]:
        """Stream the completion of a prompt, like `OllamaClient.generate()`."""

        def fetch() -> AsyncGenerator[TextChunk, None]:
            return self._client.generate(prompt, model=model, system=system, **settings)

        if not is_deterministic(settings.get("options")):
            return fetch()
        return self._cache.stream(_key("generate", model, [system, prompt], settings), fetch)

    def chat(
        self, messages: Sequence[Message], *, model: str, **settings: Unpack[TextSettings]
    ) -> AsyncGenerator[TextChunk, None]:
        """Stream the next message of a chat, like `OllamaClient.chat()`."""

        def fetch() -> AsyncGenerator[TextChunk, None]:
            return self._client.chat(messages, model=model, **settings)

        if not is_deterministic(settings.get("options")):
            return fetch()
        sent = [[message.role, message.content] for message in messages]
        return self._cache.stream(_key("chat", model, sent, settings), fetch)

    async def embed(
        self, inputs: Sequence[str], *, model: str, **settings: Unpack[EmbedSettings]
    ) -> Embeddings:
        """Return one embedding for each text."""

        async def fetch() -> AsyncGenerator[Embeddings, None]:
            yield await self._client.embed(inputs, model=model, **settings)

        key = _key("embed", model, list(inputs), settings)
        # Read to the end: a request without a reader would be cancelled.
        (embeddings,) = [response async for response in self._cache.stream(key, fetch)]
        return embeddings

    async def tags(self) -> tuple[Model, ...]:
        """Return the models that the server has; not cached."""
        return await self._client.tags()

    async def ps(self) -> tuple[RunningModel, ...]:
        """Return the models that the server has in memory; not cached."""
        return await self._client.ps()

    async def show(self, model: str) -> ModelDetails:
        """Return the properties of a model; not cached."""
        return await self._client.show(model)

    async def version(self) -> str:
        """Return the server's version; not cached."""
        return await self._client.version()


def is_deterministic(options: Mapping[str, Any] | None) -> bool:
    """Return whether a model generates the same text each time with these options."""
    options = options or {}
    temperature, seed = options.get("temperature"), options.get("seed")
    if type(temperature) in (int, float) and temperature == 0:
        return True
    return type(seed) is int and seed >= 0  # Ollama takes -1 for no seed


def _key(operation: str, model: str, content: object, settings: Mapping[str, Any]) -> str:
    return json.dumps([operation, model, content, without_none(settings)], sort_keys=True)
