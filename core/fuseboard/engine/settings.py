"""The settings of an engine and their checks; cheap to import."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fuseboard.invalid_input import InvalidInputError
from fuseboard.metrics.namespace import NAMESPACE, check_namespace
from fuseboard.ollama.deadlines import Deadlines
from fuseboard.simulator.settings import SimulatorSettings
from fuseboard.snapshot.fault_setting import FaultSetting
from fuseboard.snapshot.traffic_kind import TrafficKind
from fuseboard.traffic.questions import BUILT_IN_QUESTIONS

if TYPE_CHECKING:
    from fuseboard.faults.scenarios.scenario import Scenario


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """The settings of an engine; where `None` is allowed, the engine chooses."""

    ollama: str | None = None
    """Address of the only server to use, in the notation of `OLLAMA_HOST`."""
    simulate: bool = False
    """Use the simulator even if an Ollama server is reachable."""
    model: str | None = None
    embedding_model: str | None = None
    traffic: TrafficKind | None = None
    """`None` is RAG, or GENERATE if no embedding model is known."""
    questions: tuple[str, ...] = BUILT_IN_QUESTIONS
    """Questions of the generated traffic."""
    rate: float | None = None
    """Calls of the generated traffic per second; a question with all its requests is one call."""
    concurrency: int | None = None
    """Maximum number of concurrent calls of the generated traffic."""
    failure_threshold: int = 5
    """Consecutive failures that open a breaker."""
    recovery_timeout: float = 10.0
    """Seconds."""
    deadlines: Deadlines = field(default_factory=Deadlines)
    faults: tuple[tuple[str, FaultSetting], ...] = ()
    """Faults that are on from the start, with their settings."""
    scenario: Scenario | None = None
    """Scenario to play from the moment the traffic starts."""
    metrics_host: str = "127.0.0.1"
    metrics_namespace: str = NAMESPACE
    """Prefix of every metric name."""
    metrics_port: int | None = None
    """0 is any free port; `None` is 9464 or the next free one."""
    proxy_port: int = 0
    """0 is any free port."""
    allowed_hosts: tuple[str, ...] = ()
    """Names by which clients may call this machine; see `AllowedCallers`."""
    allowed_origins: tuple[str, ...] = ()
    """Web sites whose pages may use the ports; see `AllowedCallers`."""
    cache_entries: int = 1000
    """Maximum number of cached responses; 0 disables the cache."""
    cache_ttl: float = 600.0
    """Time to live of a cached response, seconds."""
    warm: tuple[str, ...] = ()
    """Questions whose responses are cached at the start."""
    seed: int | None = None
    """Seed for the random numbers of faults and scenario."""
    simulator: SimulatorSettings = field(default_factory=SimulatorSettings)


def check_settings(settings: EngineSettings) -> None:
    """Raise `ValueError` if settings contradict each other; the message names the contradiction."""
    check_namespace(settings.metrics_namespace)
    _check_traffic(settings)
    _check_cache_warming(settings)


def _check_traffic(settings: EngineSettings) -> None:
    if not settings.questions:
        raise InvalidInputError("there are no prompts to ask")
    kind = settings.traffic
    if settings.embedding_model and kind is not None and not kind.embeds:
        raise InvalidInputError(
            f"{kind.value} traffic embeds nothing: leave the embedding model out,"
            f" or choose {TrafficKind.RAG.value} or {TrafficKind.EMBED.value}"
        )


def _check_cache_warming(settings: EngineSettings) -> None:
    if not settings.warm:
        return
    if not settings.cache_entries:
        raise InvalidInputError("there is no cache to warm: cache_entries is 0")
    kind = settings.traffic or TrafficKind.RAG
    questions = len(set(settings.warm))
    needed = questions * (kind.embeds + kind.generates_text)
    if needed > settings.cache_entries:
        raise InvalidInputError(
            f"the cache has room for {settings.cache_entries} answers,"
            f" and warming it with {questions} prompts takes {needed}"
        )
