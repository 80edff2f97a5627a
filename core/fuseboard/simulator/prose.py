"""The text that the simulated model speaks."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

_SENTENCES = (
    "A circuit breaker stops calling a service that keeps failing.",
    "While it is open, callers get an answer at once instead of waiting for a timeout.",
    "After the recovery timeout a single probe goes out.",
    "If the probe succeeds, the breaker closes and the traffic flows again.",
    "If it fails, the breaker stays open and waits once more.",
    "A language model can fail in the middle of an answer that began with status 200.",
    "That is why the verdict comes at the end of the stream.",
    "The first token says more about the health of a model than the last one.",
    "A queue hides an overload until the callers give up.",
    "Counting failures in a row is simple and catches a dead backend quickly.",
    "A failure rate over a window also catches one that limps.",
    "Jitter keeps many clients from coming back in the same instant.",
)


def compose(seed: int) -> Iterator[str]:
    """Speak in tokens, the blank before a word included; the same seed says the same."""
    dice = random.Random(seed)  # noqa: S311 (no secret)
    sentences = dice.sample(_SENTENCES, k=dice.randint(2, 4))
    yield from re.findall(r"\s?[\w']+|[^\w\s]", " ".join(sentences))
