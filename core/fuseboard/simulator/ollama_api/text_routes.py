"""The routes that generate texts."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from starlette.requests import Request
from starlette.types import ASGIApp

from fuseboard.simulator.errors import ApiError
from fuseboard.simulator.go_json import go_json, json_response, rfc3339
from fuseboard.simulator.models import CONTEXT_LENGTH, Model, is_valid_name
from fuseboard.simulator.ollama_api.text_request import (
    TextRequest,
    read_chat_request,
    read_generate_request,
)
from fuseboard.simulator.request_body import read_body
from fuseboard.simulator.scheduler import Scheduler
from fuseboard.simulator.settings import SimulatorSettings
from fuseboard.simulator.streaming import (
    ResponseEncoder,
    deferred_response,
    stream_response,
    whole_response,
)
from fuseboard.simulator.text.generation import GenerationJob, GenerationResult, generate_text
from fuseboard.simulator.text.json_format import read_format
from fuseboard.simulator.text.options import read_options
from fuseboard.simulator.text.tokens import token_id, tokenize
from fuseboard.simulator.text.tool_calls import ToolCall


class TextRoutes:
    """Handlers for the requests for texts."""

    def __init__(self, settings: SimulatorSettings, scheduler: Scheduler) -> None:
        self._settings = settings
        self._scheduler = scheduler

    async def generate(self, request: Request) -> ASGIApp:
        """Complete a prompt."""
        body = await read_body(request, "api.GenerateRequest")
        text_request = await body.converted(read_generate_request)
        return self.respond(text_request, _GenerateEncoder(text_request))

    async def chat(self, request: Request) -> ASGIApp:
        """Generate the next message of a chat."""
        body = await read_body(request, "api.ChatRequest")
        text_request = await body.converted(read_chat_request)
        return self.respond(text_request, _ChatEncoder(text_request))

    def respond(self, request: TextRequest, encoder: ResponseEncoder) -> ASGIApp:
        """Return the response to a request, in the encoding of the requested API.

        Raises:
            ApiError: If the request is invalid, or its model cannot fulfil it.
        """
        model = self._find(request)
        if not request.prompt and request.keep_alive == 0:
            self._scheduler.unload(model)
            return json_response(encoder.body(GenerationResult("unload")))
        _check_capabilities(model, request)
        options = read_options(request.options)
        if not request.prompt:
            return self._load(model, request, encoder)
        if request.has_images:
            raise ApiError(500, "this model is missing data required for image input")
        schema = read_format(request.format)
        job = GenerationJob(
            model, request.prompt, options, schema, request.keep_alive, request.tool_use
        )
        tokens = generate_text(job, self._scheduler, self._settings)
        return (stream_response if request.stream else whole_response)(tokens, encoder)

    def _find(self, request: TextRequest) -> Model:
        if not request.model and request.endpoint == "chat":
            raise ApiError(400, "model is required")
        if request.model and not is_valid_name(request.model):
            raise ApiError(400, "invalid model name")
        model = self._settings.find(request.model)
        if model is None:
            raise ApiError(404, f"model '{request.model}' not found")
        return model

    def _load(self, model: Model, request: TextRequest, encoder: ResponseEncoder) -> ASGIApp:
        async def load() -> Mapping[str, object]:
            async with self._scheduler.loaded(model, request.keep_alive):
                return encoder.body(GenerationResult("load"))

        return deferred_response(load)


def _check_capabilities(model: Model, request: TextRequest) -> None:
    if request.wants_thinking:
        raise ApiError(400, f'"{request.model}" does not support thinking')
    if model.embeds:
        raise ApiError(400, f'"{request.model}" does not support {request.endpoint}')
    if request.has_suffix:
        raise ApiError(400, f"{model.full_name} does not support insert")


class _NdjsonEncoder(ABC):
    """The encoding of a stream as one JSON object a line.

    Subclasses define in `_text_fields()` which field contains the text.
    """

    stream_type = "application/x-ndjson"

    def __init__(self, request: TextRequest) -> None:
        self._request = request

    def token(self, token: str) -> bytes:
        return go_json({**self._object(token), "done": False}) + b"\n"

    def tool_call(self, call: ToolCall) -> bytes:
        raise AssertionError(f"{self._request.endpoint} has no tools, but calls {call.name}")

    def end(self, result: GenerationResult) -> bytes:
        return go_json(self._last_object("", result)) + b"\n"

    def body(self, result: GenerationResult) -> Mapping[str, object]:
        return self._last_object(result.text, result)

    def _last_object(self, text: str, result: GenerationResult) -> dict[str, object]:
        return {**self._object(text), "done": True, **result.fields()}

    def _object(self, text: str) -> dict[str, object]:
        return {
            "model": self._request.model,
            "created_at": rfc3339(time.time()),
            **self._text_fields(text),
        }

    @abstractmethod
    def _text_fields(self, text: str) -> dict[str, object]: ...


class _ChatEncoder(_NdjsonEncoder):
    def _text_fields(self, text: str) -> dict[str, object]:
        return {"message": {"role": "assistant", "content": text}}

    def tool_call(self, call: ToolCall) -> bytes:
        return go_json({**self._object(""), **_message_with([call]), "done": False}) + b"\n"

    def body(self, result: GenerationResult) -> Mapping[str, object]:
        body = self._last_object(result.text, result)
        return {**body, **_message_with(result.tool_calls)} if result.tool_calls else body


class _GenerateEncoder(_NdjsonEncoder):
    def _text_fields(self, text: str) -> dict[str, object]:
        return {"response": text}

    def _last_object(self, text: str, result: GenerationResult) -> dict[str, object]:
        """Return the last object, with the context that the next request can send back."""
        last = super()._last_object(text, result)
        if result.tokens and not self._request.raw:
            tokens = tokenize(self._request.prompt) + tokenize(result.text)
            last["context"] = [token_id(token) for token in tokens[-CONTEXT_LENGTH:]]
        return last


def _message_with(calls: Sequence[ToolCall]) -> dict[str, object]:
    tool_calls = [
        {
            "id": call.id,
            "function": {"index": call.index, "name": call.name, "arguments": call.arguments},
        }
        for call in calls
    ]
    return {"message": {"role": "assistant", "content": "", "tool_calls": tool_calls}}
