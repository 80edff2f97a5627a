"""The routes below `/v1/`: the part of OpenAI's API that Ollama serves."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from fuseboard.simulator.errors import ApiError
from fuseboard.simulator.go_json import json_response
from fuseboard.simulator.models import MODIFIED_AT, with_default_tag
from fuseboard.simulator.ollama_api.embedding_routes import EmbeddingRoutes
from fuseboard.simulator.ollama_api.text_request import read_chat_request, read_generate_request
from fuseboard.simulator.ollama_api.text_routes import TextRoutes
from fuseboard.simulator.openai_api.requests import to_chat_request, to_generate_request
from fuseboard.simulator.openai_api.responses import ChatCompletionEncoder, CompletionEncoder
from fuseboard.simulator.openai_api.responses_api.encoder import ResponsesEncoder
from fuseboard.simulator.openai_api.responses_api.request import to_chat_request as from_responses
from fuseboard.simulator.openai_api.tool_choice import read_directive
from fuseboard.simulator.request_body import RequestBody, read_body
from fuseboard.simulator.settings import SimulatorSettings
from fuseboard.simulator.streaming import deferred_response


class OpenAIRoutes:
    """Handlers that convert each request into Ollama's own, and respond in OpenAI's format."""

    def __init__(
        self, settings: SimulatorSettings, texts: TextRoutes, embeddings: EmbeddingRoutes
    ) -> None:
        self._settings = settings
        self._texts = texts
        self._embeddings = embeddings

    async def chat_completions(self, request: Request) -> ASGIApp:
        """Generate the next message of a chat."""
        body = await _read_body(request, "ChatCompletionRequest")
        text_request = await body.converted(
            lambda body: read_chat_request(to_chat_request(body), read_directive(body))
        )
        encoder = ChatCompletionEncoder(text_request.model, includes_usage=_includes_usage(body))
        return self._texts.respond(text_request, encoder)

    async def completions(self, request: Request) -> ASGIApp:
        """Complete a prompt."""
        body = await _read_body(request, "CompletionRequest")
        text_request = await body.converted(
            lambda body: read_generate_request(to_generate_request(body))
        )
        encoder = CompletionEncoder(text_request.model, includes_usage=_includes_usage(body))
        return self._texts.respond(text_request, encoder)

    async def responses(self, request: Request) -> ASGIApp:
        """Generate the next items of a conversation."""
        body = await _read_body(request, "ResponsesRequest")
        text_request = await body.converted(
            lambda body: read_chat_request(from_responses(body), read_directive(body))
        )
        return self._texts.respond(text_request, ResponsesEncoder(body))

    async def embeddings(self, request: Request) -> ASGIApp:
        """Embed a text or a list of texts."""
        body = await _read_body(request, "EmbedRequest")
        encoding = body.text("encoding_format").lower()
        if encoding not in {"", "float", "base64"}:
            raise ApiError(
                400,
                f"Invalid value for 'encoding_format' = {body.text('encoding_format')}."
                " Supported values: ['float', 'base64'].",
            )
        texts = body.value("input")
        if texts in (None, []):
            raise ApiError(400, "invalid input")
        fields = {
            "model": body.text("model"),
            "input": [""] if texts == "" else texts,
            "dimensions": body.integer("dimensions"),
        }
        converted = RequestBody("api.EmbedRequest", fields)
        job = await body.converted(lambda _: self._embeddings.read_job(converted))

        async def response_body() -> Mapping[str, object]:
            result = await self._embeddings.run(job)
            data = [
                {
                    "object": "embedding",
                    "embedding": _encode_base64(vector) if encoding == "base64" else vector,
                    "index": index,
                }
                for index, vector in enumerate(result.vectors)
            ]
            usage = {"prompt_tokens": result.prompt_tokens, "total_tokens": result.prompt_tokens}
            return {"object": "list", "data": data, "model": body.text("model"), "usage": usage}

        return deferred_response(response_body)

    async def models(self, _: Request) -> Response:
        """List all models."""
        data = [_model_object(model.name) for model in self._settings.models]
        return json_response({"object": "list", "data": data})

    async def model(self, request: Request) -> Response:
        """Describe one model."""
        name = request.path_params["model"]
        if self._settings.find(name) is None:
            raise ApiError(404, f"model '{with_default_tag(name)}' not found")
        return json_response(_model_object(name))


async def _read_body(request: Request, go_struct: str) -> RequestBody:
    return await read_body(request, f"openai.{go_struct}", if_empty="EOF")


def _includes_usage(body: RequestBody) -> bool:
    return body.mapping("stream_options").get("include_usage") is True


def _model_object(name: str) -> dict[str, object]:
    owner = name.rpartition("/")[0].rpartition("/")[2] or "library"
    return {"id": name, "object": "model", "created": int(MODIFIED_AT), "owned_by": owner}


def _encode_base64(vector: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
