"""The prompt that asks for an answer from passages."""

from __future__ import annotations

from collections.abc import Sequence


def grounded_prompt(question: str, passages: Sequence[str]) -> str:
    """Ask a question together with the passages that its answer shall come from."""
    listed = "\n".join(f"- {passage}" for passage in passages)
    return (
        "Answer the question in one or two sentences, from these passages only.\n\n"
        f"Passages:\n{listed}\n\nQuestion: {question}\nAnswer:"
    )
