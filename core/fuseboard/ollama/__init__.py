"""Calls to Ollama through circuit breakers: the client, its deadlines, its operations."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fuseboard.ollama.caching import CachingClient
    from fuseboard.ollama.client import (
        OllamaClient,
        OllamaError,
        Operation,
        breaker_per_operation,
    )
    from fuseboard.ollama.deadlines import Deadlines
    from fuseboard.ollama.host import ollama_api_key, ollama_url
    from fuseboard.ollama.responses import (
        Embeddings,
        Message,
        Model,
        ModelDetails,
        RunningModel,
        TextChunk,
    )

__all__ = [
    "CachingClient",
    "Deadlines",
    "Embeddings",
    "Message",
    "Model",
    "ModelDetails",
    "OllamaClient",
    "OllamaError",
    "Operation",
    "RunningModel",
    "TextChunk",
    "breaker_per_operation",
    "ollama_api_key",
    "ollama_url",
]

# Imported on first use: the client needs httpx, which addresses and deadlines do without.
_MODULE_OF = {
    "CachingClient": "caching",
    "Deadlines": "deadlines",
    "Embeddings": "responses",
    "Message": "responses",
    "Model": "responses",
    "ModelDetails": "responses",
    "OllamaClient": "client",
    "OllamaError": "client",
    "Operation": "client",
    "RunningModel": "responses",
    "TextChunk": "responses",
    "breaker_per_operation": "client",
    "ollama_api_key": "host",
    "ollama_url": "host",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
