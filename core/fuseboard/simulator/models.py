"""The models that the simulated Ollama has, and what it says of them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

MODIFIED_AT = 1_767_225_600.0
"""When every model was pulled, Unix seconds."""

_PART = r"[a-zA-Z0-9_][\w-]*"
_DOTTED = r"[a-zA-Z0-9_][\w.-]*"
_NAME = re.compile(rf"(?:(?:{_DOTTED}(?::\d+)?/)?{_PART}/)?{_DOTTED}(?::{_DOTTED})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Model:
    """One model."""

    name: str
    """With its tag."""
    embeds: bool
    """It can embed, and nothing else."""

    @property
    def full_name(self) -> str:
        """Its name with all that Ollama leaves out."""
        namespace = "" if "/" in self.name else "library/"
        return f"registry.ollama.ai/{namespace}{self.name}"

    @property
    def capabilities(self) -> list[str]:
        """What it can be asked for."""
        return ["embedding"] if self.embeds else ["completion", "tools"]

    @property
    def context_length(self) -> int:
        """The most tokens that it looks at."""
        return 2048 if self.embeds else 4096

    def described(self) -> dict[str, object]:
        """Describe it in the fields that all listings have."""
        return {
            "name": self.name,
            "model": self.name,
            "size": self._size,
            "digest": hashlib.sha256(self.name.encode("utf-8", "replace")).hexdigest(),
            "details": self.details(),
        }

    def running(self) -> dict[str, object]:
        """Describe it as loaded, but for the time that is left to it."""
        return {
            **self.described(),
            "size_vram": self._size,
            "context_length": self.context_length,
        }

    def details(self) -> dict[str, object]:
        """Describe what it is made of."""
        return {
            "parent_model": "",
            "format": "gguf",
            "family": self._family,
            "families": [self._family],
            "parameter_size": "137M" if self.embeds else "3.2B",
            "quantization_level": "F16" if self.embeds else "Q4_K_M",
        }

    def model_info(self, dimensions: int) -> dict[str, object]:
        """Describe what its file says; `dimensions` is the length of an embedding."""
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


def is_name(name: str) -> bool:
    """Say whether a model could be called so."""
    return _NAME.fullmatch(name) is not None


def with_tag(name: str) -> str:
    """Write a model's name with its tag."""
    # A colon before a slash belongs to the port of a registry.
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"
