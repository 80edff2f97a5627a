"""The settings of the simulated server."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from fuseboard.invalid_input import InvalidInputError
from fuseboard.simulator.models import Model, is_valid_name, with_default_tag

VERSION = "0.33.0"
"""The release of Ollama whose API is simulated."""


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
    """The models of the simulated server, and how fast they are.

    Raises:
        ValueError: If a value is out of range.
    """

    chat_models: tuple[str, ...] = ("llama3.2:latest",)
    embedding_models: tuple[str, ...] = ("nomic-embed-text:latest",)
    tokens_per_second: float = 60.0
    """The speed of each response."""
    prompt_seconds: float = 0.15
    """Seconds to process a prompt before the first token."""
    embed_seconds: float = 0.02
    """Seconds to embed one text."""
    load_seconds: float = 1.0
    """Seconds to load a model."""
    parallel: int = 8
    """Requests that a model processes at once (`OLLAMA_NUM_PARALLEL`).

    Ollama's default is 1, which is too little for the traffic of the dashboard."""
    max_queue: int = 512
    """Requests that may wait in the queue (`OLLAMA_MAX_QUEUE`); more are rejected."""
    dimensions: int = 384
    """The length of an embedding."""

    def __post_init__(self) -> None:
        for field in ("chat_models", "embedding_models"):
            for name in getattr(self, field):
                if not is_valid_name(name):
                    raise InvalidInputError(f"{name!r} is no name of a model, as llama3.2:1b is")
            object.__setattr__(self, field, tuple(map(with_default_tag, getattr(self, field))))
        if not 0 < self.tokens_per_second < math.inf:
            raise InvalidInputError(
                f"tokens_per_second must be above 0, not {self.tokens_per_second!r}"
            )
        for field in ("prompt_seconds", "embed_seconds", "load_seconds"):
            if not 0 <= getattr(self, field) < math.inf:
                raise InvalidInputError(f"{field} must be 0 or more, not {getattr(self, field)!r}")
        if self.parallel < 1:
            raise InvalidInputError(f"parallel must be 1 or more, not {self.parallel!r}")
        if self.max_queue < 0:
            raise InvalidInputError(f"max_queue must be 0 or more, not {self.max_queue!r}")

    @property
    def models(self) -> tuple[Model, ...]:
        """All models; those that generate text come first."""
        return (
            *(Model(name, embeds=False) for name in self.chat_models),
            *(Model(name, embeds=True) for name in self.embedding_models),
        )

    def find(self, name: str) -> Model | None:
        """Return the model with this name, ignoring case; a missing tag is `latest`."""
        full = with_default_tag(name).lower()
        return next((model for model in self.models if model.name.lower() == full), None)

    def with_chat_model(self, name: str) -> SimulatorSettings:
        """Return the settings with another model that generates text."""
        return replace(self, chat_models=(name, *self.chat_models))

    def with_embedding_model(self, name: str) -> SimulatorSettings:
        """Return the settings with another embedding model."""
        return replace(self, embedding_models=(name, *self.embedding_models))
