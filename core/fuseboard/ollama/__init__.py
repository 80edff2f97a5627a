"""Talking to Ollama through circuit breakers."""

from fuseboard.ollama.answers import Embeddings, Message, Model, Piece
from fuseboard.ollama.client import (
    OllamaClient,
    OllamaError,
    Operation,
    breaker_per_operation,
)
from fuseboard.ollama.deadlines import Deadlines
from fuseboard.ollama.host import ollama_url
from fuseboard.ollama.judge import OllamaJudge

__all__ = [
    "Deadlines",
    "Embeddings",
    "Message",
    "Model",
    "OllamaClient",
    "OllamaError",
    "OllamaJudge",
    "Operation",
    "Piece",
    "breaker_per_operation",
    "ollama_url",
]
