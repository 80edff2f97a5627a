"""The routes that embed texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from starlette.requests import Request
from starlette.types import ASGIApp

from fuseboard.simulator.errors import ApiError
from fuseboard.simulator.go_json import omit_empty
from fuseboard.simulator.keep_alive import parse_keep_alive
from fuseboard.simulator.models import EMBEDDING_CONTEXT_LENGTH, Model, is_valid_name
from fuseboard.simulator.request_body import RequestBody, read_body
from fuseboard.simulator.scheduler import Scheduler
from fuseboard.simulator.settings import SimulatorSettings
from fuseboard.simulator.streaming import deferred_response
from fuseboard.simulator.text.embedding import EmbeddingJob, EmbeddingResult, embed_texts
from fuseboard.simulator.text.options import read_options
from fuseboard.simulator.text.tokens import truncate

_MAX_TEXTS = 2048  # in one request, as at OpenAI; Ollama itself has no limit


class EmbeddingRoutes:
    """Handlers for the requests for embeddings."""

    def __init__(self, settings: SimulatorSettings, scheduler: Scheduler) -> None:
        self._settings = settings
        self._scheduler = scheduler

    async def embed(self, request: Request) -> ASGIApp:
        """Embed a text or a list of texts."""
        body = await read_body(request, "api.EmbedRequest")
        job = await body.converted(self.read_job)

        async def response_body() -> Mapping[str, object]:
            result = await self.run(job)
            statistics = {
                "total_duration": result.total_duration,
                "load_duration": result.load_duration,
                "prompt_eval_count": result.prompt_tokens,
            }
            fields = {"model": body.text("model"), "embeddings": result.vectors}
            return {**fields, **omit_empty(statistics)}

        return deferred_response(response_body)

    async def embed_one(self, request: Request) -> ASGIApp:
        """Embed one text, and respond with its vector only."""
        body = await read_body(request, "api.EmbeddingRequest")
        if not body.text("model"):
            raise ApiError(400, "model is required")
        job = self._read_job(body, _texts(body.text("prompt")))

        async def response_body() -> Mapping[str, object]:
            vectors = (await self.run(job)).vectors
            return {"embedding": vectors[0] if vectors else []}

        return deferred_response(response_body)

    def read_job(self, body: RequestBody) -> EmbeddingJob:
        """Return the job of a request with an `input`.

        Raises:
            ApiError: If the request is invalid, or its model does not exist.
        """
        texts = _texts(body.value("input"))
        if not body.flag("truncate", default=True) and any(map(_is_too_long, texts)):
            self._find(body.text("model"))
            raise ApiError(400, "the input length exceeds the context length")
        return self._read_job(body, texts, body.integer("dimensions") or 0)

    async def run(self, job: EmbeddingJob) -> EmbeddingResult:
        """Run a job; raise `ApiError` if the queue is full."""
        return await embed_texts(job, self._scheduler, self._settings)

    def _read_job(
        self, body: RequestBody, texts: Sequence[str], dimensions: int = 0
    ) -> EmbeddingJob:
        keep_alive = parse_keep_alive(body.value("keep_alive"))
        model = self._find(body.text("model"))
        read_options(body.mapping("options"))
        texts = [truncate(text, EMBEDDING_CONTEXT_LENGTH) for text in texts]
        return EmbeddingJob(model, texts, keep_alive, dimensions)

    def _find(self, name: str) -> Model:
        if not name:
            raise ApiError(404, f"model '{name}' not found")
        if not is_valid_name(name):
            raise ApiError(400, "invalid model name")
        model = self._settings.find(name)
        if model is None:
            raise ApiError(404, f'model "{name}" not found, try pulling it first')
        return model


def _texts(value: object) -> list[str]:
    if value is None or value == "":
        return []
    texts = value if isinstance(value, list) else [value]
    if not all(isinstance(text, str) for text in texts):
        raise ApiError(400, "invalid input type")
    if len(texts) > _MAX_TEXTS:
        raise ApiError(400, f"too many inputs: {len(texts)}, at most {_MAX_TEXTS} at once")
    return list(map(str, texts))


def _is_too_long(text: str) -> bool:
    return truncate(text, EMBEDDING_CONTEXT_LENGTH) != text
