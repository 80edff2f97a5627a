"""The built-in questions of the traffic, and reading others from a file."""

from __future__ import annotations

from fuseboard.invalid_input import InvalidInputError
from fuseboard.text_file import read_text_file

BUILT_IN_QUESTIONS = (
    "What does a circuit breaker do?",
    "Why should a probe be a real call?",
    "When does a failure rate over a window beat counting consecutive failures?",
    "What is the half-open state for?",
    "How long should the recovery timeout be?",
    "What can callers get while the breaker is open?",
    "Why do all clients come back together without jitter?",
    "When does a retry hurt?",
    "Which header says how long a client has to wait after HTTP 429?",
    "What happens without a timeout?",
    "How does a bulkhead keep a slow service from sinking the others?",
    "Why does the time to first token rise when a server is overloaded?",
    "Why is the verdict on a streamed answer only known at its end?",
    "Why is the first answer of Ollama slow after a pause?",
    "Why can an answer at temperature zero be cached?",
    "What does Prometheus miss between two scrapes?",
)
"""The default questions."""


def read_questions(path: str) -> tuple[str, ...]:
    """Read questions from a file, one per line; empty lines are skipped.

    Raises:
        ValueError: If the file cannot be read or has none; the message says which.
    """
    text = read_text_file(path, "the prompts")
    questions = tuple(line.strip() for line in text.split("\n") if line.strip())
    if not questions:
        raise InvalidInputError(f"there are no prompts in {path}: it wants one a line")
    return questions
