"""The routes below `/v1/`: OpenAI's API, as far as Ollama has it."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from fuseboard.simulator.errors import RefusedError
from fuseboard.simulator.go_json import json_response
from fuseboard.simulator.models import MODIFIED_AT, with_tag
from fuseboard.simulator.ollama_api.embedding_routes import EmbeddingRoutes
from fuseboard.simulator.ollama_api.text_request import read_chat, read_generate
from fuseboard.simulator.ollama_api.text_routes import TextRoutes
from fuseboard.simulator.openai_api.requests import chat_of, generate_of
from fuseboard.simulator.openai_api.responses import ChatCompletionForm, CompletionForm
from fuseboard.simulator.request_body import Body, read_body
from fuseboard.simulator.settings import SimulatorSettings
from fuseboard.simulator.streaming import answered


class OpenAIRoutes:
    """Answers in OpenAI's form, with what Ollama's own routes make."""

    def __init__(
        self, settings: SimulatorSettings, texts: TextRoutes, embeddings: EmbeddingRoutes
    ) -> None:
        self._settings = settings
        self._texts = texts
        self._embeddings = embeddings

    async def chat_completions(self, request: Request) -> ASGIApp:
        """Say the next message of a chat."""
        body = await _read(request, "ChatCompletionRequest")
        wanted = read_chat(chat_of(body))
        form = ChatCompletionForm(wanted.model, includes_usage=_includes_usage(body))
        return self._texts.answer(wanted, form)

    async def completions(self, request: Request) -> ASGIApp:
        """Complete a prompt."""
        body = await _read(request, "CompletionRequest")
        wanted = read_generate(generate_of(body))
        form = CompletionForm(wanted.model, includes_usage=_includes_usage(body))
        return self._texts.answer(wanted, form)

    async def embeddings(self, request: Request) -> ASGIApp:
        """Embed a text or a list of texts."""
        body = await _read(request, "EmbedRequest")
        encoding = body.text("encoding_format").lower()
        if encoding not in {"", "float", "base64"}:
            raise RefusedError(
                400,
                f"Invalid value for 'encoding_format' = {body.text('encoding_format')}."
                " Supported values: ['float', 'base64'].",
            )
        given = body.value("input")
        if given in (None, []):
            raise RefusedError(400, "invalid input")
        wanted = {
            "model": body.text("model"),
            "input": [""] if given == "" else given,
            "dimensions": body.whole("dimensions"),
        }
        make = self._embeddings.embedding_of_input(Body("api.EmbedRequest", wanted))

        async def answer() -> Mapping[str, object]:
            done = await make()
            data = [
                {
                    "object": "embedding",
                    "embedding": _base64(vector) if encoding == "base64" else vector,
                    "index": index,
                }
                for index, vector in enumerate(done.vectors)
            ]
            usage = {"prompt_tokens": done.prompt_tokens, "total_tokens": done.prompt_tokens}
            return {"object": "list", "data": data, "model": body.text("model"), "usage": usage}

        return answered(answer)

    async def models(self, _: Request) -> Response:
        """List the models that there are."""
        data = [_described(model.name) for model in self._settings.models]
        return json_response({"object": "list", "data": data})

    async def model(self, request: Request) -> Response:
        """Describe one model."""
        name = request.path_params["model"]
        if self._settings.find(name) is None:
            raise RefusedError(404, f"model '{with_tag(name)}' not found")
        return json_response(_described(name))


async def _read(request: Request, kind: str) -> Body:
    return await read_body(request, f"openai.{kind}", if_empty="EOF")


def _includes_usage(body: Body) -> bool:
    return body.mapping("stream_options").get("include_usage") is True


def _described(name: str) -> dict[str, object]:
    owner = name.rpartition("/")[0].rpartition("/")[2] or "library"
    return {"id": name, "object": "model", "created": int(MODIFIED_AT), "owned_by": owner}


def _base64(vector: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
