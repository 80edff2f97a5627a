"""Prompts to ask, and reading others from a file."""

from __future__ import annotations

from pathlib import Path

BUILT_IN = (
    "What does a circuit breaker do?",
    "Why should a probe be a real call?",
    "When does a failure rate beat a count of failures?",
    "What is a half-open state for?",
    "Why does an overloaded model look slow before it looks broken?",
)
"""What is asked where nothing else is given."""


def read_prompts(path: str) -> tuple[str, ...]:
    """Read one prompt a line; empty lines are passed over.

    Raises:
        ValueError: If there are none, or the file cannot be read; the message says why.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ValueError(f"cannot read the prompts in {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"cannot read the prompts in {path}: it is not UTF-8 text") from None
    prompts = tuple(line.strip() for line in text.split("\n") if line.strip())
    if not prompts:
        raise ValueError(f"there are no prompts in {path}: it wants one a line")
    return prompts
