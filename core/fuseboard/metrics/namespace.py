"""The prefix of every metric name."""

from __future__ import annotations

import re

from fuseboard.invalid_input import InvalidInputError

NAMESPACE = "ollama_rag"
"""The prefix unless another namespace is chosen."""


def check_namespace(namespace: str) -> str:
    """Return `namespace` unchanged.

    Raises:
        ValueError: If a metric name cannot begin with it.
    """
    if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", namespace):
        raise InvalidInputError(f"a metrics namespace is letters, digits and _, not {namespace!r}")
    return namespace
