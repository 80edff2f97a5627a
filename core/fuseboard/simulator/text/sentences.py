"""The sentences that a simulated model generates."""

from __future__ import annotations

import random
import re

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
_PASSAGE = re.compile(r"^- (.+)$", re.MULTILINE)
_QUESTION = re.compile(r"^Question: (.+)$", re.MULTILINE)
_SENTENCE_BOUNDARY = re.compile(r"(?<=[.!?])\s+")
_KEYWORD = re.compile(r"\w{4,}")
_MAX_CANDIDATES = 100  # sentences that one text is chosen from


class SentenceWriter:
    """The sentences of one text, in which each word of the prompt makes some more likely.

    They are taken from the passages that the prompt lists, if it lists any. The
    cost of a sentence does not depend on the length of the prompt.

    Args:
        prompt: The prompt, or one that contains a question.
        rng: The source of randomness.
    """

    def __init__(self, prompt: str, rng: random.Random) -> None:
        question = _QUESTION.search(prompt)
        keywords = _keywords(question[1] if question else prompt)
        passages = _PASSAGE.findall(prompt) if question else []
        sentences = [
            sentence for passage in passages for sentence in _SENTENCE_BOUNDARY.split(passage)
        ] or _SENTENCES
        self._candidates = [
            (len(keywords & _keywords(sentence)), sentence)
            for sentence in sentences[:_MAX_CANDIDATES]
        ]
        self._rng = rng

    def write(self, count: int) -> str:
        """Return `count` sentences, or all there are."""

        def relevance(candidate: tuple[int, str]) -> float:
            return candidate[0] + self._rng.uniform(0, 3)

        chosen = sorted(self._candidates, key=relevance, reverse=True)[:count]
        return " ".join(sentence for _, sentence in chosen)


def _keywords(text: str) -> set[str]:
    return set(_KEYWORD.findall(text.lower()))
