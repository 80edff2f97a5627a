"""The routes of the Ollama API."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from fuseboard.simulator.embedding import embed
from fuseboard.simulator.generation import Generation, created_at
from fuseboard.simulator.settings import VERSION, SimulatorSettings

_DETAILS = {
    "parent_model": "",
    "format": "gguf",
    "family": "llama",
    "families": ["llama"],
    "parameter_size": "3.2B",
    "quantization_level": "Q4_K_M",
}
_SIZE = 2_019_393_189  # bytes
_DIGEST = "a80c4f17acd55265feec403c7aef86be0c25983ab279d83f3bcd3abbcb5b8b72"
_SINCE = "2026-01-01T00:00:00Z"

ToChunk = Callable[[str], dict[str, object]]


def simulator_app(settings: SimulatorSettings | None = None) -> Starlette:
    """Make the application that speaks the Ollama API."""
    routes = _Routes(settings or SimulatorSettings())
    return Starlette(
        routes=[
            Route("/", routes.root, methods=["GET"]),
            Route("/api/version", routes.version, methods=["GET"]),
            Route("/api/tags", routes.tags, methods=["GET"]),
            Route("/api/ps", routes.ps, methods=["GET"]),
            Route("/api/show", routes.show, methods=["POST"]),
            Route("/api/generate", routes.generate, methods=["POST"]),
            Route("/api/chat", routes.chat, methods=["POST"]),
            Route("/api/embed", routes.embed, methods=["POST"]),
            Route("/api/embeddings", routes.embeddings, methods=["POST"]),
        ],
        exception_handlers={
            404: _plain("404 page not found"),
            405: _plain("405 method not allowed"),
            _RefusedError: _refuse,
        },
    )


class _RefusedError(Exception):
    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status
        self.error = error


async def _refuse(_: Request, error: Exception) -> Response:
    assert isinstance(error, _RefusedError)  # noqa: S101 (what Starlette registers it for)
    return _json({"error": error.error}, error.status)


def _plain(text: str) -> Callable[[Request, Exception], Response]:
    def answer(_: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        return PlainTextResponse(text, status)

    return answer


def _json(content: Mapping[str, object], status: int = 200) -> Response:
    body = _line(content).rstrip(b"\n")
    return Response(body, status, {"Content-Type": "application/json; charset=utf-8"})


def _line(content: Mapping[str, object]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


class _Routes:
    def __init__(self, settings: SimulatorSettings) -> None:
        self._settings = settings
        self._loaded: dict[str, str] = {}

    async def root(self, _: Request) -> Response:
        return PlainTextResponse("Ollama is running")

    async def version(self, _: Request) -> Response:
        return _json({"version": VERSION})

    async def tags(self, _: Request) -> Response:
        names = (*self._settings.chat_models, *self._settings.embedding_models)
        return _json({"models": [{**_described(name), "modified_at": _SINCE} for name in names]})

    async def ps(self, _: Request) -> Response:
        models = [
            {
                **_described(name),
                "expires_at": expires_at,
                "size_vram": _SIZE,
                "context_length": 4096,
            }
            for name, expires_at in self._loaded.items()
        ]
        return _json({"models": models})

    async def show(self, request: Request) -> Response:
        model = self._model(await _body(request))
        embeds = model in self._settings.embedding_models
        return _json(
            {
                "modelfile": f"FROM {model}\n",
                "parameters": "",
                "template": "{{ .Prompt }}",
                "details": _DETAILS,
                "model_info": {
                    "general.architecture": "llama",
                    "llama.embedding_length": self._settings.dimensions,
                },
                "capabilities": ["embedding"] if embeds else ["completion"],
                "modified_at": _SINCE,
            }
        )

    async def generate(self, request: Request) -> Response:
        body = await _body(request)
        model = self._model(body, able_to="generate")
        prompt = _text(body, "prompt")

        def chunk(text: str) -> dict[str, object]:
            return {"model": model, "created_at": created_at(), "response": text}

        if not prompt:
            return self._load(body, model, chunk)
        return await self._speak(body, model, prompt, chunk, {"context": []})

    async def chat(self, request: Request) -> Response:
        body = await _body(request)
        model = self._model(body, able_to="chat")
        messages = body.get("messages") or []
        if not isinstance(messages, list) or not all(isinstance(said, dict) for said in messages):
            raise _RefusedError(400, "messages must be a list of objects")

        def chunk(text: str) -> dict[str, object]:
            message = {"role": "assistant", "content": text}
            return {"model": model, "created_at": created_at(), "message": message}

        if not messages:
            return self._load(body, model, chunk)
        prompt = "\n".join(str(said.get("content", "")) for said in messages)
        return await self._speak(body, model, prompt, chunk, {})

    async def embed(self, request: Request) -> Response:
        body = await _body(request)
        model = self._model(body)
        inputs = body.get("input", [])
        texts = [inputs] if isinstance(inputs, str) else inputs
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise _RefusedError(400, "invalid input type")
        self._use(model)
        return _json(
            {
                "model": model,
                "embeddings": [embed(text, self._settings.dimensions) for text in texts],
                "total_duration": 14_143_917,
                "load_duration": 1_019_500,
                "prompt_eval_count": sum(len(text.split()) for text in texts),
            }
        )

    async def embeddings(self, request: Request) -> Response:
        body = await _body(request)
        self._use(self._model(body))
        return _json({"embedding": embed(_text(body, "prompt"), self._settings.dimensions)})

    def _model(self, body: Mapping[str, Any], *, able_to: str = "") -> str:
        name = _text(body, "model") or _text(body, "name")
        if not name:
            raise _RefusedError(400, "model is required")
        model = self._settings.find(name)
        if model is None:
            raise _RefusedError(404, f"model '{name}' not found")
        if able_to and model in self._settings.embedding_models:
            raise _RefusedError(400, f'"{name}" does not support {able_to}')
        return model

    def _use(self, model: str) -> None:
        self._loaded[model] = created_at()

    def _load(self, body: Mapping[str, Any], model: str, chunk: ToChunk) -> Response:
        unload = body.get("keep_alive") in (0, "0", "0s")
        if unload:
            self._loaded.pop(model, None)
        else:
            self._use(model)
        reason = "unload" if unload else "load"
        return _json({**chunk(""), "done": True, "done_reason": reason})

    async def _speak(
        self,
        body: Mapping[str, Any],
        model: str,
        prompt: str,
        chunk: ToChunk,
        at_the_end: Mapping[str, object],
    ) -> Response:
        self._use(model)
        options = body.get("options") or {}
        if not isinstance(options, dict):
            raise _RefusedError(400, "options must be an object")
        generation = Generation(model, prompt, options, self._settings)
        tokens = generation.run()

        def last(text: str) -> dict[str, object]:
            return {**chunk(text), "done": True, **generation.figures(), **at_the_end}

        if body.get("stream") is False:
            text = "".join([token async for token in tokens])
            return _json(last(text))

        # As in Ollama, the headers leave with the first token and not before.
        first = await anext(tokens, None)

        async def lines() -> AsyncIterator[bytes]:
            if first is not None:
                yield _line({**chunk(first), "done": False})
            async for token in tokens:
                yield _line({**chunk(token), "done": False})
            yield _line(last(""))

        return StreamingResponse(lines(), media_type="application/x-ndjson")


async def _body(request: Request) -> dict[str, Any]:
    """Parse a body whatever its Content-Type says, as Ollama does."""
    data = await request.body()
    if not data:
        raise _RefusedError(400, "missing request body")
    try:
        body = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _RefusedError(400, f"invalid JSON: {error}") from error
    if not isinstance(body, dict):
        raise _RefusedError(400, "the request body is not a JSON object")
    return body


def _text(body: Mapping[str, Any], key: str) -> str:
    value = body.get(key) or ""
    if not isinstance(value, str):
        raise _RefusedError(400, f"{key} must be a string")
    return value


def _described(name: str) -> dict[str, object]:
    return {
        "name": name,
        "model": name,
        "size": _SIZE,
        "digest": _DIGEST,
        "details": _DETAILS,
    }
