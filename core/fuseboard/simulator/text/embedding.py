"""Embedding texts: vectors of texts that share words are close, after a believable time."""

from __future__ import annotations

import asyncio
import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from fuseboard.simulator.go_json import nanoseconds
from fuseboard.simulator.models import Model
from fuseboard.simulator.scheduler import Scheduler
from fuseboard.simulator.settings import SimulatorSettings
from fuseboard.simulator.text.tokens import tokenize


@dataclass(frozen=True, slots=True)
class EmbeddingJob:
    """The texts to embed, and the model that embeds them."""

    model: Model
    texts: Sequence[str]
    keep_alive: float | None
    """Seconds; `None` leaves the model's as it is."""
    dimensions: int = 0
    """The requested length of a vector; 0 is the model's own."""


@dataclass(frozen=True, slots=True)
class EmbeddingResult:
    """The vectors of the texts, and how long embedding them took; durations are nanoseconds."""

    vectors: list[list[float]]
    prompt_tokens: int = 0
    total_duration: int = 0
    load_duration: int = 0


async def embed_texts(
    job: EmbeddingJob, scheduler: Scheduler, settings: SimulatorSettings
) -> EmbeddingResult:
    """Wait for the model and for one of its slots, and embed the texts.

    Raises:
        ApiError: If the queue is full.
    """
    loop = asyncio.get_running_loop()
    started = loop.time()
    async with scheduler.loaded(job.model, job.keep_alive) as runner:
        loaded = loop.time()
        if not job.texts:
            return EmbeddingResult([])
        async with runner.slots:
            vectors, tokens = [], 0
            for text in job.texts:  # one at a time, so that the loop does other things in between
                await asyncio.sleep(settings.embed_seconds)
                vectors.append(_embed(text, settings.dimensions, job.dimensions))
                tokens += len(tokenize(text))
    return EmbeddingResult(
        vectors,
        prompt_tokens=tokens,
        total_duration=nanoseconds(loop.time() - started),
        load_duration=nanoseconds(loaded - started),
    )


def _embed(text: str, dimensions: int, truncated_to: int) -> list[float]:
    """Return a unit vector: a bag of the text's words, hashed into `dimensions`.

    Args:
        text: The text.
        dimensions: The length of the model's vectors.
        truncated_to: The length to truncate the vector to; 0 keeps all of it.
    """
    vector = [0.0] * dimensions
    for word in re.findall(r"\w+", text.lower()):
        digest = hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=8).digest()
        index = int.from_bytes(digest[:4], "big") % dimensions
        vector[index] += 1.0 if digest[4] & 1 else -1.0
    if 0 < truncated_to < dimensions:
        vector = vector[:truncated_to]
    length = math.hypot(*vector)
    if length == 0:
        vector[0] = length = 1.0
    return [round(value / length, 7) for value in vector]
