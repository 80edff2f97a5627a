"""The kinds of traffic."""

from __future__ import annotations

from enum import Enum


class TrafficKind(Enum):
    """What becomes of a question."""

    RAG = "rag"
    """It is embedded, and answered from the passages that lie nearest to it."""
    GENERATE = "generate"
    """It is completed as it is."""
    CHAT = "chat"
    """It is the first message of a chat."""
    EMBED = "embed"
    """It is embedded, and that is all."""

    @property
    def embeds(self) -> bool:
        """Whether it needs a model that embeds."""
        return self in (TrafficKind.RAG, TrafficKind.EMBED)

    @property
    def speaks(self) -> bool:
        """Whether it needs a model that speaks."""
        return self is not TrafficKind.EMBED
