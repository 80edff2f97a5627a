"""Finding the passages that lie nearest to a question."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from importlib import resources
from operator import itemgetter, mul

from fuseboard.ollama.caching import CachingClient
from fuseboard.ollama.client import OllamaClient

_BATCH = 4  # passages in a call: few enough that a slow machine embeds them in time

Vector = tuple[float, ...]


def read_corpus() -> tuple[str, ...]:
    """Read the passages of `corpus.md`: its paragraphs, each in one line, without the headings."""
    written = resources.files(__package__).joinpath("corpus.md").read_text(encoding="utf-8")
    paragraphs = (" ".join(paragraph.split()) for paragraph in written.split("\n\n"))
    return tuple(paragraph for paragraph in paragraphs if not paragraph.startswith("#"))


def grounded_prompt(question: str, passages: Sequence[str]) -> str:
    """Ask a question together with the passages that its answer shall come from."""
    listed = "\n".join(f"- {passage}" for passage in passages)
    return (
        "Answer the question in one or two sentences, from these passages only.\n\n"
        f"Passages:\n{listed}\n\nQuestion: {question}\nAnswer:"
    )


class Retrieval:
    """Compares the embedding of a question with those of all passages.

    The passages are embedded when the first question comes, a few in a call;
    where that fails, the next question goes on with those that are missing.
    Belongs to one event loop.

    Args:
        client: Who embeds.
        model: What it embeds with.
        passages: What is looked through; few enough to be compared one by one.
    """

    def __init__(
        self, client: OllamaClient | CachingClient, model: str, passages: Sequence[str]
    ) -> None:
        self._client = client
        self._model = model
        self._passages = passages
        self._directions: list[Vector] = []  # of the first passages, as many as are embedded

    async def nearest(self, question: str, count: int = 3) -> list[str]:
        """Find the passages with the largest cosine to the question, the best first.

        Raises:
            CircuitOpenError: If the breaker rejects a call.
            OllamaError: If a call does not get an embedding for each text.
        """
        await self._embed_passages()
        (asked,) = await self._embed([question])
        # The length of `asked` is in every cosine alike and moves none before another.
        likeness = [
            (sum(map(mul, direction, asked)), passage)
            for direction, passage in zip(self._directions, self._passages, strict=True)
        ]
        return [passage for _, passage in heapq.nlargest(count, likeness, key=itemgetter(0))]

    async def _embed_passages(self) -> None:
        while (done := len(self._directions)) < len(self._passages):
            vectors = await self._embed(self._passages[done : done + _BATCH])
            if len(self._directions) == done:  # or another question has been faster
                self._directions += map(_direction, vectors)

    async def _embed(self, texts: Sequence[str]) -> tuple[Vector, ...]:
        return (await self._client.embed(texts, model=self._model)).vectors


def _direction(vector: Vector) -> Vector:
    """Bring a vector to the length 1; one without a direction stays as it is."""
    length = math.hypot(*vector) or 1.0
    return tuple(value / length for value in vector)
