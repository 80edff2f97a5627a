"""The Ollama server behind the fault proxy: discovered, or simulated."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass

from fuseboard.engine.settings import EngineSettings
from fuseboard.ollama.discovery import (
    DEFAULT_EMBEDDING_MODEL,
    DEFAULT_MODEL,
    DiscoveredOllama,
    discover,
)
from fuseboard.server.limits import long_lived_limiter
from fuseboard.server.local_hosts import AllowedCallers, OnlyLocalHosts
from fuseboard.server.server import HttpServer
from fuseboard.server.sockets import bind
from fuseboard.simulator.app import simulator_app
from fuseboard.snapshot.snapshot import TargetSnapshot

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """The server that was found or started, and what is to be said about it."""

    snapshot: TargetSnapshot
    problem: str = ""
    """Why the server is not reachable yet; empty if it is."""
    other_server: str = ""
    """What answers there if it is no Ollama, so that nothing can be called."""
    notices: tuple[str, ...] = ()
    """What the user should know."""


async def look_for_ollama(
    settings: EngineSettings, url: str, api_key: str
) -> DiscoveredOllama | None:
    """Return what is at `url`; `None` if the settings ask for the simulator.

    Nothing is generated and nothing is loaded.

    Raises:
        NoModelError: If the server lacks a model that the settings need.
    """
    if settings.simulate:
        return None
    return await discover(
        url,
        settings.model,
        settings.embedding_model,
        must_embed=settings.traffic is not None and settings.traffic.embeds,
        may_embed=settings.traffic is None or settings.traffic.embeds,
        must_generate=settings.traffic is None or settings.traffic.generates_text,
        api_key=api_key,
    )


def is_used(found: DiscoveredOllama | None, settings: EngineSettings) -> bool:
    """Return whether a server is used as it is, and not the simulator in its place."""
    return found is not None and bool(not found.problem or settings.ollama)


def simulator_notice(found: DiscoveredOllama | None) -> tuple[str, ...]:
    """Return what to say if the simulator takes the place of something that answers."""
    if found is None or not found.other_server:
        return ()
    return (f"what answers at {found.url} is {found.other_server}, no Ollama: simulating one",)


async def find_target(
    stack: AsyncExitStack, settings: EngineSettings, url: str, api_key: str
) -> Target:
    """Return the Ollama server at `url`, or start the simulator on `stack` and return that.

    A server that `settings.ollama` names is returned even if it is not
    reachable or no Ollama. With `settings.simulate`, `url` is not used.

    Raises:
        NoModelError: If the server lacks a model that the settings need.
    """
    found = await look_for_ollama(settings, url, api_key)
    if found is None or not is_used(found, settings):
        return Target(await _start_simulator(stack, settings), notices=simulator_notice(found))
    snapshot = TargetSnapshot(
        found.url, found.model.name, simulated=False, embedding_model=found.embedding_model.name
    )
    if found.other_server:
        return Target(snapshot, other_server=found.other_server)
    problem = ""
    if found.problem:
        problem = f"{found.url} does not answer yet: {found.problem}"
        _logger.warning(problem)
    return Target(snapshot, problem, notices=found.notices)


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
    server = HttpServer(app, bind("127.0.0.1", 0), long_lived_limiter())
    stack.push_async_callback(server.stop)
    await server.start()
    return TargetSnapshot(server.url, model, simulated=True, embedding_model=embedding_model)
