"""Choosing a model among those a server has, by what it can do, where it runs and its size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

from fuseboard.ollama.client import OllamaClient, OllamaError
from fuseboard.ollama.responses import Model, ModelDetails

COMPLETION, EMBEDDING = "completion", "embedding"
"""What a model can do, in the terms of `/api/show`."""
ELSEWHERE = "elsewhere"

_MAX_ASKED = 100  # models whose properties are asked for
_MAX_FAILURES = 3  # each takes as long as the deadlines allow


@dataclass(frozen=True, slots=True)
class ChosenModel:
    """A model to call, and why it is that one."""

    name: str
    reason: str = ""
    """Empty if it was named by the user."""
    size: int = 0
    """Bytes on disk; 0 if the server does not tell."""
    remote_host: str = ""
    """Where it runs, if not on the server; `elsewhere` if that is not told."""

    def __str__(self) -> str:
        """Return its name, why it was chosen, and how large it is."""
        about = [part for part in (self.reason, format_size(self.size)) if part]
        return f"{self.name} ({', '.join(about)})" if about else self.name


class ModelChooser:
    """Choose among the models of one server.

    The properties of a model are asked for at most once.

    Args:
        client: Asks the server.
        models: Those that it has.
        loaded: The names of those that it has in memory.
    """

    def __init__(
        self, client: OllamaClient, models: Sequence[Model], loaded: Sequence[str]
    ) -> None:
        self._client = client
        self._models = models
        self._loaded = loaded
        self._details: dict[str, ModelDetails | None] = {}
        self._failures = 0

    def find(self, name: str) -> Model | None:
        """Return a model by its name, which may lack the tag `latest`."""
        names = {name, f"{name}:latest"}
        return next((model for model in self._models if model.name in names), None)

    async def named(self, model: Model) -> ChosenModel:
        """Return a model that the user has named, wherever it runs."""
        details = await self._show(model)
        host = model.remote_host or (details.remote_host if details else "")
        return ChosenModel(
            model.name,
            size=0 if model.is_remote else model.size,
            remote_host=host or (ELSEWHERE if model.is_remote else ""),
        )

    async def lacks(self, model: Model, capability: str) -> bool:
        """Return whether the server says that a model cannot do something."""
        details = await self._show(model)
        return bool(details and details.capabilities) and not _has(details, capability)

    async def choose(self, capability: str) -> ChosenModel | None:
        """Return a local model that can do something: a loaded one, else the smallest.

        If the server does not say what its models can do, as older ones do not,
        their family tells whether they embed.
        """
        untold: ChosenModel | None = None
        for model, reason in self._candidates(capability):
            details = await self._show(model)
            if details is not None and details.remote_host:
                continue
            if _has(details, capability):
                return ChosenModel(model.name, reason, model.size)
            if details is None or not details.capabilities:
                embeds = "bert" in (model.family or (details.family if details else ""))
                if untold is None and embeds is (capability == EMBEDDING):
                    untold = ChosenModel(model.name, f"{reason}, judged by its family", model.size)
        return untold

    def _candidates(self, capability: str) -> Iterator[tuple[Model, str]]:
        """Yield the local models in the order of preference, each with the reason for it."""
        does = "embeds" if capability == EMBEDDING else "generates text"
        local = [model for model in self._models if not model.is_remote]
        by_name = {model.name: model for model in local}
        in_memory = [by_name[name] for name in self._loaded if name in by_name]
        others = [model for model in local if model not in in_memory]
        others.sort(key=lambda model: model.size or inf)
        for model in in_memory:
            yield model, "loaded already"
        for model in others[:_MAX_ASKED]:
            if model.size:
                yield model, f"the smallest here that {does}"
            else:
                yield model, f"the first here that {does}, of unknown size"

    async def _show(self, model: Model) -> ModelDetails | None:
        """Return the properties of a model; `None` if the server does not tell them."""
        if model.name not in self._details and self._failures < _MAX_FAILURES:
            try:
                self._details[model.name] = await self._client.show(model.name)
            except OllamaError:
                self._details[model.name] = None
                self._failures += 1
        return self._details.get(model.name)


def format_size(size: int) -> str:
    """Return a size in bytes as Ollama shows it, `1.3 GB`; empty if it is 0."""
    if size <= 0:
        return ""
    for unit, bytes_ in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= bytes_:
            number = size / bytes_
            return f"{number:.1f} {unit}" if number < 10 else f"{number:.0f} {unit}"
    return f"{size} B"


def _has(details: ModelDetails | None, capability: str) -> bool:
    return details is not None and capability in details.capabilities
