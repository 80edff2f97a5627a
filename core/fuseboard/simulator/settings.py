"""How the simulated Ollama is set up."""

from __future__ import annotations

from dataclasses import dataclass, replace

VERSION = "0.33.0"
"""The release of Ollama whose API is spoken."""


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
    """What the simulated server has and how fast it is."""

    chat_models: tuple[str, ...] = ("llama3.2:latest",)
    embedding_models: tuple[str, ...] = ("nomic-embed-text:latest",)
    tokens_per_second: float = 60.0
    prompt_seconds: float = 0.15
    """From the request to the first token."""
    dimensions: int = 384
    """The length of an embedding."""

    def find(self, name: str) -> str | None:
        """Find a model by a name that may lack its tag."""
        full = name if ":" in name else f"{name}:latest"
        return full if full in (*self.chat_models, *self.embedding_models) else None

    def with_chat_model(self, name: str) -> SimulatorSettings:
        """Add a model that speaks."""
        full = name if ":" in name else f"{name}:latest"
        return replace(self, chat_models=(full, *self.chat_models))

    def with_embedding_model(self, name: str) -> SimulatorSettings:
        """Add a model that embeds."""
        full = name if ":" in name else f"{name}:latest"
        return replace(self, embedding_models=(full, *self.embedding_models))
