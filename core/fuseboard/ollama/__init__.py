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

from typing import TYPE_CHECKING

from fuseboard.lazy_names import lazy_getattr

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
__getattr__ = lazy_getattr(
    __name__,
    {
        "caching": "CachingClient",
        "client": "OllamaClient OllamaError Operation breaker_per_operation",
        "deadlines": "Deadlines",
        "host": "ollama_api_key ollama_url",
        "responses": "Embeddings Message Model ModelDetails RunningModel TextChunk",
    },
)


def __dir__() -> list[str]:
    return list(__all__)
