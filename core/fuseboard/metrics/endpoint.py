"""The HTTP endpoint: `/metrics` for Prometheus, `/health` and `/ready` for a supervisor."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from fuseboard.breaker.registry import Registry
from fuseboard.metrics import report
from fuseboard.metrics.namespace import NAMESPACE
from fuseboard.server.local_hosts import AllowedCallers, OnlyLocalHosts
from fuseboard.version import __version__

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

DEFAULT_PORT = 9464
"""The default port of OpenTelemetry's Prometheus exporters."""

METRICS_OFF = "metrics are off: METRICS_ENABLED is 0, or prometheus_client is not installed"


def endpoint_app(
    registry: Registry,
    *,
    namespace: str = NAMESPACE,
    not_ready_reason: Callable[[], str] = str,
    only_local: bool = False,
    allowed_callers: AllowedCallers | None = None,
) -> Starlette:
    """Return the ASGI application of the endpoint.

    `/health` reports that the process runs, and the states of its breakers; an
    open breaker does not make it unhealthy, and Ollama is not called. Each
    connection serves one request.

    Args:
        registry: What `/metrics` and `/health` report.
        namespace: Prefix of every metric name.
        not_ready_reason: Returns why `/ready` is 503; empty if it is 200.
        only_local: Refuse requests that are not from this machine.
        allowed_callers: Who may send requests nevertheless.

    Raises:
        ValueError: If a metric name cannot begin with `namespace`.
    """
    started = time.monotonic()

    async def health(_: Request) -> Response:
        return JSONResponse(
            {
                "status": "ok",
                "version": __version__,
                "uptime_seconds": round(time.monotonic() - started, 3),
                "breakers": {breaker.name: breaker.state.name for breaker in registry.snapshots()},
            }
        )

    async def ready(_: Request) -> Response:
        if reason := not_ready_reason():
            return JSONResponse({"status": "not ready", "why": reason}, status_code=503)
        return JSONResponse({"status": "ready"})

    routes = [
        Route("/metrics", _metrics_route(registry, namespace), methods=["GET"]),
        Route("/health", health, methods=["GET"]),
        Route("/ready", ready, methods=["GET"]),
    ]
    middleware = [Middleware(_ResponseHeaders), Middleware(GZipMiddleware)]
    if only_local:
        middleware.insert(1, Middleware(OnlyLocalHosts, allowed_callers))
    app = Starlette(routes=routes, middleware=middleware)
    app.router.redirect_slashes = False
    return app


class _ResponseHeaders:
    """ASGI middleware that adds the headers of every response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                # A connection that waits for a second request would count as stalled.
                headers["Connection"] = "close"
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _metrics_route(registry: Registry, namespace: str) -> Callable[[Request], object]:
    if not report.METRICS_ENABLED:
        return _metrics_off

    # Not at the top: the rest of the endpoint works without prometheus_client.
    from fuseboard.metrics.collector import collector_registry, write_exposition

    collectors = collector_registry(registry, namespace)

    async def scrape(request: Request) -> Response:
        accept = request.headers.get("accept", "")
        # On a thread: a scrape of many breakers must not delay the calls on this loop.
        body, content_type = await asyncio.to_thread(write_exposition, collectors, accept)
        return Response(body, headers={"Content-Type": content_type})

    return scrape


async def _metrics_off(_: Request) -> Response:
    return PlainTextResponse(f"{METRICS_OFF}\n", status_code=404)
