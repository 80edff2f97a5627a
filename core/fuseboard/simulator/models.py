"""The models of the simulated server, and their descriptions in its API."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

MODIFIED_AT = 1_767_225_600.0
"""The time at which every model was pulled, in Unix seconds."""

CONTEXT_LENGTH = 4096
"""Tokens of context of a model that generates text."""
EMBEDDING_CONTEXT_LENGTH = 2048
"""Tokens of context of an embedding model."""

_SEGMENT = r"[a-zA-Z0-9_][\w-]*"
_DOTTED = r"[a-zA-Z0-9_][\w.-]*"
_NAME = re.compile(  # host:port/namespace/name:tag
    rf"(?:(?:{_DOTTED}(?::\d+)?/)?{_SEGMENT}/)?{_DOTTED}(?::{_DOTTED})?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Model:
    """One model of the simulated server."""

    name: str
    """The name with its tag."""
    embeds: bool
    """Whether it is an embedding model, which generates no text."""

    @property
    def full_name(self) -> str:
        """The name with registry and namespace, which are left out elsewhere."""
        namespace = "" if "/" in self.name else "library/"
        return f"registry.ollama.ai/{namespace}{self.name}"

    @property
    def capabilities(self) -> list[str]:
        """The capabilities in the API's terms."""
        return ["embedding"] if self.embeds else ["completion", "tools"]

    @property
    def context_length(self) -> int:
        """The maximum number of tokens of its context."""
        return EMBEDDING_CONTEXT_LENGTH if self.embeds else CONTEXT_LENGTH

    def summary(self) -> dict[str, object]:
        """Return the fields that every list of models contains."""
        return {
            "name": self.name,
            "model": self.name,
            "size": self._size,
            "digest": hashlib.sha256(self.name.encode("utf-8", "replace")).hexdigest(),
            "details": self.details(),
        }

    def running_summary(self) -> dict[str, object]:
        """Return the fields of a list of loaded models, except `expires_at`."""
        return {
            **self.summary(),
            "size_vram": self._size,
            "context_length": self.context_length,
        }

    def details(self) -> dict[str, object]:
        """Return the `details` field."""
        return {
            "parent_model": "",
            "format": "gguf",
            "family": self._family,
            "families": [self._family],
            "parameter_size": "137M" if self.embeds else "3.2B",
            "quantization_level": "F16" if self.embeds else "Q4_K_M",
        }

    def model_info(self, dimensions: int) -> dict[str, object]:
        """Return the metadata of the model file; `dimensions` is the length of an embedding."""
        return {
            "general.architecture": self._family,
            "general.basename": self.name.partition(":")[0],
            "general.parameter_count": 136_727_040 if self.embeds else 3_212_749_888,
            f"{self._family}.context_length": self.context_length,
            f"{self._family}.embedding_length": dimensions,
        }

    @property
    def _family(self) -> str:
        return "nomic-bert" if self.embeds else "llama"

    @property
    def _size(self) -> int:
        return 274_302_450 if self.embeds else 2_019_393_189


def is_valid_name(name: str) -> bool:
    """Return whether a text has the syntax of a model name."""
    return _NAME.fullmatch(name) is not None


def with_default_tag(name: str) -> str:
    """Return a model name with its tag, `latest` if it has none."""
    # A colon before the last slash belongs to the port of a registry.
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"
