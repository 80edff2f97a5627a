"""An asynchronous Ollama client with a circuit breaker for each operation.

    from fuseboard import CircuitBreaker, CircuitOpenError
    from fuseboard.ollama import OllamaClient, OllamaError, breaker_per_operation, ollama_url

    breakers = breaker_per_operation(CircuitBreaker)
    async with OllamaClient(ollama_url("localhost"), breakers) as client:
        try:
            async for chunk in client.generate("Why is the sky blue?", model="llama3.2"):
                print(chunk.text, end="")
        except CircuitOpenError as rejection:
            print(f"open; retry in {rejection.retry_after} s")
        except OllamaError as error:
            print(error.reason)

`Operation` lists the operations, `Deadlines` limits how long each part of a
call may take, `CachingClient` adds a cache. Names are imported on first use.
"""

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

# The client needs httpx, which addresses and deadlines do not.
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
