"""The routes that make embeddings."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import ASGIApp

from fuseboard.simulator.errors import RefusedError
from fuseboard.simulator.go_json import nanoseconds, without_zeros
from fuseboard.simulator.keep_alive import keep_alive_seconds
from fuseboard.simulator.models import Model, is_name
from fuseboard.simulator.request_body import Body, read_body
from fuseboard.simulator.scheduler import Scheduler
from fuseboard.simulator.settings import SimulatorSettings
from fuseboard.simulator.streaming import answered
from fuseboard.simulator.text.embedding import embed
from fuseboard.simulator.text.options import read_options
from fuseboard.simulator.text.tokens import tokens_of


@dataclass(frozen=True, slots=True)
class Embedded:
    """Texts as vectors, and how long it took; durations are nanoseconds."""

    vectors: list[list[float]]
    prompt_tokens: int = 0
    total_duration: int = 0
    load_duration: int = 0


class EmbeddingRoutes:
    """Answers with embeddings by the models of one server."""

    def __init__(self, settings: SimulatorSettings, scheduler: Scheduler) -> None:
        self._settings = settings
        self._scheduler = scheduler

    async def embed(self, request: Request) -> ASGIApp:
        """Embed a text or a list of texts."""
        body = await read_body(request, "api.EmbedRequest")
        make = self.embedding_of_input(body)

        async def answer() -> Mapping[str, object]:
            done = await make()
            figures = {
                "total_duration": done.total_duration,
                "load_duration": done.load_duration,
                "prompt_eval_count": done.prompt_tokens,
            }
            said = {"model": body.text("model"), "embeddings": done.vectors}
            return {**said, **without_zeros(figures)}

        return answered(answer)

    async def embed_one(self, request: Request) -> ASGIApp:
        """Embed one text, and answer with nothing but its vector."""
        body = await read_body(request, "api.EmbeddingRequest")
        if not body.text("model"):
            raise RefusedError(400, "model is required")
        make = self._embedding(body, _texts(body.text("prompt")))

        async def answer() -> Mapping[str, object]:
            vectors = (await make()).vectors
            return {"embedding": vectors[0] if vectors else []}

        return answered(answer)

    def embedding_of_input(self, body: Body) -> Callable[[], Awaitable[Embedded]]:
        """Read a request with an `input`; what is returned embeds it.

        Raises:
            RefusedError: If it asks for what there is not.
        """
        texts = _texts(body.value("input"))
        make = self._embedding(body, texts, body.whole("dimensions") or 0)
        if not body.flag("truncate", default=True):
            model = self._find(body.text("model"))
            if any(len(tokens_of(text)) > model.context_length for text in texts):
                raise RefusedError(400, "the input length exceeds the context length")
        return make

    def _embedding(
        self, body: Body, texts: Sequence[str], dimensions: int = 0
    ) -> Callable[[], Awaitable[Embedded]]:
        keep_alive = keep_alive_seconds(body.value("keep_alive"))
        model = self._find(body.text("model"))
        read_options(body.mapping("options"))

        async def make() -> Embedded:
            loop = asyncio.get_running_loop()
            started = loop.time()
            async with self._scheduler.loaded(model, keep_alive) as runner:
                loaded = loop.time()
                if not texts:
                    return Embedded([])
                async with runner.turns:
                    await asyncio.sleep(self._settings.embed_seconds * len(texts))
                    vectors = [embed(text, self._settings.dimensions, dimensions) for text in texts]
            return Embedded(
                vectors,
                prompt_tokens=sum(len(tokens_of(text)) for text in texts),
                total_duration=nanoseconds(loop.time() - started),
                load_duration=nanoseconds(loaded - started),
            )

        return make

    def _find(self, name: str) -> Model:
        if not name:
            raise RefusedError(404, f"model '{name}' not found")
        if not is_name(name):
            raise RefusedError(400, "invalid model name")
        model = self._settings.find(name)
        if model is None:
            raise RefusedError(404, f'model "{name}" not found, try pulling it first')
        return model


def _texts(given: object) -> list[str]:
    if given is None or given == "":
        return []
    texts = given if isinstance(given, list) else [given]
    if not all(isinstance(text, str) for text in texts):
        raise RefusedError(400, "invalid input type")
    return list(map(str, texts))
