"""What a run would call, found out without calling it."""

from __future__ import annotations

import os
from collections.abc import Callable

from fuseboard.engine.assembly import choose_rate, choose_traffic_kind
from fuseboard.engine.settings import EngineSettings, check_settings
from fuseboard.engine.target import is_used, look_for_ollama, simulator_notice
from fuseboard.ollama.discovery import (
    DEFAULT_EMBEDDING_MODEL,
    DEFAULT_MODEL,
    DiscoveredOllama,
)
from fuseboard.ollama.host import ollama_api_key, ollama_url
from fuseboard.ollama.model_choice import ChosenModel

_NOTHING_CALLED = "nothing was called"


async def describe_run(
    settings: EngineSettings, environment: Callable[[str, str], str] = os.environ.get
) -> list[str]:
    """Return what an engine with these settings would call, in lines.

    An Ollama is asked which models it has, has loaded, and what they can do;
    nothing is generated, nothing loaded, and no port is bound.

    Raises:
        NoModelError: If the server lacks a model that the settings need.
        ValueError: If a setting or an environment variable is invalid.
    """
    check_settings(settings)
    api_key = ollama_api_key(environment("OLLAMA_API_KEY", ""))
    url = "" if settings.simulate else ollama_url(settings.ollama or environment("OLLAMA_HOST", ""))
    found = await look_for_ollama(settings, url, api_key)
    if found is None or not is_used(found, settings):
        return _describe_simulated_run(settings, found)
    if found.other_server:
        proxy = "the fault proxy would be in front of it, for your own program"
        return [f"would call nothing: {url} is {found.other_server}, no Ollama; {proxy}"]
    target = f"would call {url}"
    if found.problem:
        target += f", which does not answer yet: {found.problem}"
    traffic = _describe_traffic(
        settings, found.model, found.embedding_model, found.problem, simulated=False
    )
    return [target, *traffic, *found.warnings, _NOTHING_CALLED]


def _describe_simulated_run(settings: EngineSettings, found: DiscoveredOllama | None) -> list[str]:
    reasons = simulator_notice(found)
    if found is not None and not reasons:
        reasons = (f"{found.url} does not answer: {found.problem}",)
    traffic = _describe_traffic(
        settings,
        ChosenModel(settings.model or DEFAULT_MODEL),
        ChosenModel(settings.embedding_model or DEFAULT_EMBEDDING_MODEL),
        problem="",
        simulated=True,
    )
    return ["would call the built-in simulator", *reasons, *traffic, _NOTHING_CALLED]


def _describe_traffic(
    settings: EngineSettings,
    model: ChosenModel,
    embedding_model: ChosenModel,
    problem: str,
    *,
    simulated: bool,
) -> list[str]:
    kind, notices = choose_traffic_kind(settings, embedding_model.name, problem)
    rate, concurrency = choose_rate(settings, simulated=simulated)
    calls = "call" if rate == 1 else "calls"
    lines = [f"{kind.value} traffic, {rate:,g} {calls} a second, at most {concurrency} at once"]
    if kind.generates_text:
        lines.append(f"text from {model}")
    if kind.embeds:
        lines.append(f"embeddings from {embedding_model}")
    return [*lines, *notices]
