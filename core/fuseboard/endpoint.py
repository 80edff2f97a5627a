"""The HTTP endpoint: `/metrics` for Prometheus, `/health` for whoever starts the process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from fuseboard import metrics
from fuseboard.registry import Registry
from fuseboard.version import __version__

DEFAULT_PORT = 9464
"""Where OpenTelemetry's Prometheus exporters listen by default, and so do we."""

METRICS_ARE_OFF = "metrics are off: METRICS_ENABLED is 0, or prometheus_client is not installed"


def endpoint_app(
    registry: Registry,
    *,
    namespace: str = metrics.NAMESPACE,
    clock: Callable[[], float] = time.monotonic,
) -> Starlette:
    """Make the application that serves what `registry` holds.

    `/health` says that the process runs and how its breakers stand; it never
    calls Ollama, and an open breaker does not make it unhealthy.
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

    routes = [
        Route("/metrics", _metrics_route(registry, namespace), methods=["GET"]),
        Route("/health", health, methods=["GET"]),
    ]
    return Starlette(routes=routes, middleware=[Middleware(GZipMiddleware)])


def _metrics_route(registry: Registry, namespace: str) -> Callable[[Request], object]:
    if not metrics.METRICS_ENABLED:
        return _metrics_are_off

    # Here and not above: the rest of the endpoint works where prometheus_client is missing.
    from fuseboard.collector import collectors_of, expose

    collectors = collectors_of(registry, namespace)

    async def scrape(request: Request) -> Response:
        accept = request.headers.get("accept", "")
        # On a thread: a scrape of many breakers must not hold up the calls on this loop.
        body, content_type = await asyncio.to_thread(expose, collectors, accept)
        return Response(body, headers={"Content-Type": content_type})

    return scrape


async def _metrics_are_off(_: Request) -> Response:
    return PlainTextResponse(f"{METRICS_ARE_OFF}\n", status_code=404)
