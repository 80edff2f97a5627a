"""The Ollama server behind the fault proxy: discovered, or simulated."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack

from fuseboard.engine.settings import EngineSettings
from fuseboard.ollama.discovery import (
    DEFAULT_EMBEDDING_MODEL,
    DEFAULT_MODEL,
    DiscoveredOllama,
    discover,
)
from fuseboard.server.local_hosts import AllowedCallers, OnlyLocalHosts
from fuseboard.server.server import HttpServer
from fuseboard.server.sockets import bind
from fuseboard.simulator.app import simulator_app
from fuseboard.snapshot.snapshot import TargetSnapshot

_logger = logging.getLogger(__name__)


async def find_target(
    stack: AsyncExitStack, settings: EngineSettings, url: str, api_key: str
) -> tuple[TargetSnapshot, str]:
    """Return the Ollama server at `url`, or start the simulator on `stack` and return that.

    A server that `settings.ollama` names is returned even if it is not
    reachable; the second value says why, and is empty otherwise. With
    `settings.simulate`, `url` is not used.

    Raises:
        NoModelError: If the server lacks a model that the settings need.
    """
    if not settings.simulate:
        found = await discover(
            url,
            settings.model,
            settings.embedding_model,
            must_embed=settings.traffic is not None and settings.traffic.embeds,
            api_key=api_key,
        )
        if not found.problem:
            return _snapshot(found), ""
        if settings.ollama:
            problem = f"{found.url} does not answer yet: {found.problem}"
            _logger.warning(problem)
            return _snapshot(found), problem
    return await _start_simulator(stack, settings), ""


async def _start_simulator(stack: AsyncExitStack, settings: EngineSettings) -> TargetSnapshot:
    simulated = settings.simulator
    model = settings.model or DEFAULT_MODEL
    if simulated.find(model) is None:
        simulated = simulated.with_chat_model(model)
    embedding_model = settings.embedding_model or DEFAULT_EMBEDDING_MODEL
    if simulated.find(embedding_model) is None:
        simulated = simulated.with_embedding_model(embedding_model)
    allowed = AllowedCallers(settings.allowed_hosts, settings.allowed_origins)
    app = OnlyLocalHosts(simulator_app(simulated), allowed)
    server = HttpServer(app, bind("127.0.0.1", 0))
    stack.push_async_callback(server.stop)
    await server.start()
    return TargetSnapshot(server.url, model, simulated=True, embedding_model=embedding_model)


def _snapshot(found: DiscoveredOllama) -> TargetSnapshot:
    return TargetSnapshot(
        found.url, found.model, simulated=False, embedding_model=found.embedding_model
    )
