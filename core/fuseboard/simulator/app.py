"""The application: its routes, and what is said where there is none."""

from __future__ import annotations

from typing import cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from fuseboard.simulator.errors import RefusedError, ollama_error, openai_error
from fuseboard.simulator.go_json import json_response
from fuseboard.simulator.ollama_api.embedding_routes import EmbeddingRoutes
from fuseboard.simulator.ollama_api.model_routes import ModelRoutes
from fuseboard.simulator.ollama_api.text_routes import TextRoutes
from fuseboard.simulator.openai_api.routes import OpenAIRoutes
from fuseboard.simulator.scheduler import Scheduler
from fuseboard.simulator.settings import VERSION, SimulatorSettings

_WITH_HEAD = {"/", "/api/version", "/api/tags"}
_NO_ROUTE = {404: "404 page not found", 405: "405 method not allowed"}


def simulator_app(settings: SimulatorSettings | None = None) -> Starlette:
    """Make the application that speaks the Ollama API."""
    settings = settings or SimulatorSettings()
    scheduler = Scheduler(settings)
    models = ModelRoutes(settings, scheduler)
    texts = TextRoutes(settings, scheduler)
    embeddings = EmbeddingRoutes(settings, scheduler)
    openai = OpenAIRoutes(settings, texts, embeddings)
    routes = [
        Route("/", _root, methods=["GET"]),
        Route("/api/version", _version, methods=["GET"]),
        Route("/api/tags", models.tags, methods=["GET"]),
        Route("/api/ps", models.ps, methods=["GET"]),
        Route("/api/show", models.show, methods=["POST"]),
        Route("/api/generate", texts.generate, methods=["POST"]),
        Route("/api/chat", texts.chat, methods=["POST"]),
        Route("/api/embed", embeddings.embed, methods=["POST"]),
        Route("/api/embeddings", embeddings.embed_one, methods=["POST"]),
        Route("/v1/chat/completions", openai.chat_completions, methods=["POST"]),
        Route("/v1/completions", openai.completions, methods=["POST"]),
        Route("/v1/embeddings", openai.embeddings, methods=["POST"]),
        Route("/v1/models", openai.models, methods=["GET"]),
        Route("/v1/models/{model}", openai.model, methods=["GET"]),
    ]
    for route in routes:
        if route.path not in _WITH_HEAD and route.methods:
            route.methods.discard("HEAD")  # which Starlette adds to every GET
    return Starlette(
        routes=routes, exception_handlers={RefusedError: _refuse, HTTPException: _find_no_route}
    )


async def _root(_: Request) -> Response:
    return PlainTextResponse("Ollama is running")


async def _version(_: Request) -> Response:
    return json_response({"version": VERSION})


async def _refuse(request: Request, error: Exception) -> Response:
    refused = cast("RefusedError", error)
    write = openai_error if request.url.path.startswith("/v1/") else ollama_error
    return json_response(write(refused), refused.status)


async def _find_no_route(_: Request, error: Exception) -> Response:
    missing = cast("HTTPException", error)
    text = _NO_ROUTE.get(missing.status_code, missing.detail)
    return PlainTextResponse(text, missing.status_code, missing.headers)
