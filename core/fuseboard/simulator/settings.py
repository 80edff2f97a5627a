"""How the simulated Ollama is set up."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from fuseboard.simulator.models import Model, is_name, with_tag

VERSION = "0.33.0"
"""The release of Ollama whose API is spoken."""


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
    """What the simulated server has and how fast it is.

    Raises:
        ValueError: If a setting makes no sense.
    """

    chat_models: tuple[str, ...] = ("llama3.2:latest",)
    embedding_models: tuple[str, ...] = ("nomic-embed-text:latest",)
    tokens_per_second: float = 60.0
    """The pace of each answer."""
    prompt_seconds: float = 0.15
    """What the prompt takes before the first token."""
    embed_seconds: float = 0.02
    """What each text takes to be embedded."""
    load_seconds: float = 1.0
    """What it takes to load a model."""
    parallel: int = 8
    """Answers that a model makes at once (`OLLAMA_NUM_PARALLEL`, which is 1 by default:
    that is less than the traffic of the dashboard asks for)."""
    max_queue: int = 512
    """Requests that may wait for their turn (`OLLAMA_MAX_QUEUE`); more are refused."""
    dimensions: int = 384
    """The length of an embedding."""

    def __post_init__(self) -> None:
        for models in ("chat_models", "embedding_models"):
            for name in getattr(self, models):
                if not is_name(name):
                    raise ValueError(f"{name!r} is no name of a model")
            object.__setattr__(self, models, tuple(map(with_tag, getattr(self, models))))
        if not 0 < self.tokens_per_second < math.inf:
            raise ValueError(f"tokens_per_second must be above 0, not {self.tokens_per_second!r}")
        for seconds in ("prompt_seconds", "embed_seconds", "load_seconds"):
            if not 0 <= getattr(self, seconds) < math.inf:
                raise ValueError(f"{seconds} must be 0 or more, not {getattr(self, seconds)!r}")
        if self.parallel < 1:
            raise ValueError(f"parallel must be 1 or more, not {self.parallel!r}")
        if self.max_queue < 0:
            raise ValueError(f"max_queue must be 0 or more, not {self.max_queue!r}")

    @property
    def models(self) -> tuple[Model, ...]:
        """All models, those that speak first."""
        return (
            *(Model(name, embeds=False) for name in self.chat_models),
            *(Model(name, embeds=True) for name in self.embedding_models),
        )

    def find(self, name: str) -> Model | None:
        """Find a model by a name that may lack its tag; case does not matter."""
        full = with_tag(name).lower()
        return next((model for model in self.models if model.name.lower() == full), None)

    def with_chat_model(self, name: str) -> SimulatorSettings:
        """Add a model that speaks."""
        return replace(self, chat_models=(name, *self.chat_models))

    def with_embedding_model(self, name: str) -> SimulatorSettings:
        """Add a model that embeds."""
        return replace(self, embedding_models=(name, *self.embedding_models))
