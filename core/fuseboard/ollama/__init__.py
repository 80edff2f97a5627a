"""Talking to Ollama through circuit breakers."""

from fuseboard.ollama.answers import Embeddings, Message, Model, Piece
from fuseboard.ollama.caching import CachingClient
from fuseboard.ollama.client import (
    OllamaClient,
    OllamaError,
    Operation,
    breaker_per_operation,
)
from fuseboard.ollama.deadlines import Deadlines
from fuseboard.ollama.host import ollama_url

__all__ = [
    "CachingClient",
    "Deadlines",
    "Embeddings",
    "Message",
    "Model",
    "OllamaClient",
    "OllamaError",
    "Operation",
    "Piece",
    "breaker_per_operation",
    "ollama_url",
]
