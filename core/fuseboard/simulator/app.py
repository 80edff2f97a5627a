"""The ASGI application of the simulator: its routes and its error handlers."""

from __future__ import annotations

from typing import cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from fuseboard.simulator.anthropic_api.route import MessagesRoute
from fuseboard.simulator.errors import (
    ApiError,
    anthropic_error,
    ollama_error,
    openai_error,
)
from fuseboard.simulator.go_json import json_response
from fuseboard.simulator.ollama_api.embedding_routes import EmbeddingRoutes
from fuseboard.simulator.ollama_api.model_routes import ModelRoutes
from fuseboard.simulator.ollama_api.text_routes import TextRoutes
from fuseboard.simulator.openai_api.routes import OpenAIRoutes
from fuseboard.simulator.scheduler import Scheduler
from fuseboard.simulator.settings import VERSION, SimulatorSettings

_MESSAGES_PATH = "/v1/messages"
_PATHS_WITH_HEAD = {"/", "/api/version", "/api/tags"}
_ROUTING_ERRORS = {404: "404 page not found", 405: "405 method not allowed"}


def simulator_app(settings: SimulatorSettings | None = None) -> Starlette:
    """Return an application that serves the APIs of Ollama."""
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
        Route("/v1/responses", openai.responses, methods=["POST"]),
        Route(_MESSAGES_PATH, MessagesRoute(texts).messages, methods=["POST"]),
        Route("/v1/embeddings", openai.embeddings, methods=["POST"]),
        Route("/v1/models", openai.models, methods=["GET"]),
        Route("/v1/models/{model}", openai.model, methods=["GET"]),
    ]
    for route in routes:
        if route.path not in _PATHS_WITH_HEAD and route.methods:
            route.methods.discard("HEAD")  # Starlette adds it to every GET
    return Starlette(
        routes=routes,
        exception_handlers={ApiError: _handle_api_error, HTTPException: _handle_routing_error},
    )


async def _root(_: Request) -> Response:
    return PlainTextResponse("Ollama is running")


async def _version(_: Request) -> Response:
    return json_response({"version": VERSION})


async def _handle_api_error(request: Request, error: Exception) -> Response:
    api_error = cast("ApiError", error)
    path = request.url.path
    body = openai_error if path.startswith("/v1/") else ollama_error
    if path == _MESSAGES_PATH:
        body = anthropic_error
    response = json_response(body(api_error), api_error.status)
    if api_error.cuts_request:
        response.headers["Connection"] = "close"  # else the rest of the request would be read
    return response


async def _handle_routing_error(_: Request, error: Exception) -> Response:
    http_error = cast("HTTPException", error)
    text = _ROUTING_ERRORS.get(http_error.status_code, http_error.detail)
    return PlainTextResponse(text, http_error.status_code, http_error.headers)
