"""What the simulated model has to say."""

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
_END_OF_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_TELLING_WORD = re.compile(r"\w{4,}")


def compose(prompt: str, dice: random.Random, *, sentences: int) -> str:
    """Write sentences that share words with the prompt, or with the question in it.

    They are taken from the passages that the prompt lists, if it lists any.
    """
    question = _QUESTION.search(prompt)
    asked = _telling_words(question[1] if question else prompt)
    passages = _PASSAGE.findall(prompt) if question else []
    said = [each for passage in passages for each in _END_OF_SENTENCE.split(passage)] or _SENTENCES

    def nearness(sentence: str) -> float:
        return len(asked & _telling_words(sentence)) + dice.uniform(0, 3)

    return " ".join(sorted(said, key=nearness, reverse=True)[:sentences])


def _telling_words(text: str) -> set[str]:
    return set(_TELLING_WORD.findall(text.lower()))
