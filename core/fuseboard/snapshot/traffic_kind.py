"""The kinds of traffic that the generator makes."""

from __future__ import annotations

from enum import Enum


class TrafficKind(Enum):
    """What is done with each question."""

    RAG = "rag"
    """Embed it, and answer it from the passages nearest to it."""
    GENERATE = "generate"
    """Complete it as a prompt."""
    CHAT = "chat"
    """Send it as the first message of a chat."""
    EMBED = "embed"
    """Embed it and nothing else."""

    @property
    def embeds(self) -> bool:
        """Whether it needs a model that embeds."""
        return self in (TrafficKind.RAG, TrafficKind.EMBED)

    @property
    def generates_text(self) -> bool:
        """Whether it needs a model that generates text."""
        return self is not TrafficKind.EMBED
