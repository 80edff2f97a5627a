"""Talking to Ollama through circuit breakers."""

from fuseboard.ollama.caching import CachingClient
from fuseboard.ollama.client import OllamaClient, OllamaError, Operation, breaker_per_operation
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
