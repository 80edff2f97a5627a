"""Retrieval of the passages that are nearest to a question."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from importlib import resources
from operator import itemgetter, mul

from fuseboard.ollama.caching import CachingClient
from fuseboard.ollama.client import OllamaClient

_BATCH_SIZE = 4  # passages in a call; small, so that a slow machine meets the deadlines

Vector = tuple[float, ...]


def read_corpus() -> tuple[str, ...]:
    """Read the passages of `corpus.md`: its paragraphs, each on one line, without headings."""
    text = resources.files(__package__).joinpath("corpus.md").read_text(encoding="utf-8")
    paragraphs = (" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
    return tuple(paragraph for paragraph in paragraphs if not paragraph.startswith("#"))


def grounded_prompt(question: str, passages: Sequence[str]) -> str:
    """Return a prompt that has the model answer `question` from `passages` only."""
    listed = "\n".join(f"- {passage}" for passage in passages)
    return (
        "Answer the question in one or two sentences, from these passages only.\n\n"
        f"Passages:\n{listed}\n\nQuestion: {question}\nAnswer:"
    )


class Retriever:
    """Find passages by the cosine similarity of their embeddings to that of a question.

    The passages are embedded with the first question, a few in a call; if a
    call fails, the next question continues with the missing ones. Belongs to
    one event loop.

    Args:
        client: Makes the calls.
        model: The model that embeds.
        passages: Few enough to be compared one by one.
    """

    def __init__(
        self, client: OllamaClient | CachingClient, model: str, passages: Sequence[str]
    ) -> None:
        self._client = client
        self._model = model
        self._passages = passages
        self._unit_vectors: list[Vector] = []  # of the passages embedded so far

    async def nearest(self, question: str, count: int = 3) -> list[str]:
        """Return the `count` passages most similar to the question, best first.

        Raises:
            CircuitOpenError: If the breaker rejects a call.
            OllamaError: If a call does not return an embedding for each text.
        """
        await self._embed_passages()
        (query,) = await self._embed([question])
        # The length of `query` scales every cosine alike and does not change their order.
        scored = [
            (sum(map(mul, unit_vector, query)), passage)
            for unit_vector, passage in zip(self._unit_vectors, self._passages, strict=True)
        ]
        return [passage for _, passage in heapq.nlargest(count, scored, key=itemgetter(0))]

    async def _embed_passages(self) -> None:
        while (done := len(self._unit_vectors)) < len(self._passages):
            vectors = await self._embed(self._passages[done : done + _BATCH_SIZE])
            if len(self._unit_vectors) == done:  # a concurrent question may have been faster
                self._unit_vectors += map(_normalized, vectors)

    async def _embed(self, texts: Sequence[str]) -> tuple[Vector, ...]:
        return (await self._client.embed(texts, model=self._model)).vectors


def _normalized(vector: Vector) -> Vector:
    """Return the vector scaled to length 1; the zero vector unchanged."""
    length = math.hypot(*vector) or 1.0
    return tuple(value / length for value in vector)
