"""The HTTP endpoint: `/metrics` for Prometheus, `/health` and `/ready` for supervisors."""

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
from fuseboard.metrics import report as metrics
from fuseboard.server.local_hosts import OnlyLocalHosts
from fuseboard.version import __version__

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

DEFAULT_PORT = 9464
"""Where OpenTelemetry's Prometheus exporters listen by default, and so do we."""

METRICS_ARE_OFF = "metrics are off: METRICS_ENABLED is 0, or prometheus_client is not installed"


def endpoint_app(
    registry: Registry,
    *,
    namespace: str = metrics.NAMESPACE,
    why_not_ready: Callable[[], str] = str,
    only_local: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> Starlette:
    """Make the application that serves what `registry` holds.

    `/health` says that the process runs and how its breakers stand; it never
    calls Ollama, and an open breaker does not make it unhealthy. `/ready` is
    503 for as long as `why_not_ready` has a reason. With `only_local` a request
    must name this machine as its `Host`. Each connection takes one request.
    """
    started = clock()

    async def health(_: Request) -> Response:
        return JSONResponse(
            {
                "status": "ok",
                "version": __version__,
                "uptime_seconds": round(clock() - started, 3),
                "breakers": {seen.name: seen.state.name for seen in registry.snapshots()},
            }
        )

    async def ready(_: Request) -> Response:
        why_not = why_not_ready()
        if why_not:
            return JSONResponse({"status": "not ready", "why": why_not}, status_code=503)
        return JSONResponse({"status": "ready"})

    routes = [
        Route("/metrics", _metrics_route(registry, namespace), methods=["GET"]),
        Route("/health", health, methods=["GET"]),
        Route("/ready", ready, methods=["GET"]),
    ]
    middleware = [Middleware(_OnEveryAnswer), Middleware(GZipMiddleware)]
    if only_local:
        middleware.insert(1, Middleware(OnlyLocalHosts))
    app = Starlette(routes=routes, middleware=middleware)
    app.router.redirect_slashes = False
    return app


class _OnEveryAnswer:
    """Adds the headers that every answer has."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                # A connection that waits for a second request is one that stalls.
                headers["Connection"] = "close"
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _metrics_route(registry: Registry, namespace: str) -> Callable[[Request], object]:
    if not metrics.METRICS_ENABLED:
        return _metrics_are_off

    # Here and not above: the rest of the endpoint works where prometheus_client is missing.
    from fuseboard.metrics.collector import collector_registry, write_exposition

    collectors = collector_registry(registry, namespace)

    async def scrape(request: Request) -> Response:
        accept = request.headers.get("accept", "")
        # On a thread: a scrape of many breakers must not hold up the calls on this loop.
        body, content_type = await asyncio.to_thread(write_exposition, collectors, accept)
        return Response(body, headers={"Content-Type": content_type})

    return scrape


async def _metrics_are_off(_: Request) -> Response:
    return PlainTextResponse(f"{METRICS_ARE_OFF}\n", status_code=404)
