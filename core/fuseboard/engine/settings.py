"""What an engine runs, and which of it makes no sense. Imports nothing of what runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from fuseboard.faults.scenarios.scenario import Scenario
from fuseboard.metrics.report import NAMESPACE, check_namespace
from fuseboard.ollama.deadlines import Deadlines
from fuseboard.simulator.settings import SimulatorSettings
from fuseboard.snapshot.fault_setting import FaultSetting
from fuseboard.snapshot.traffic_kind import TrafficKind
from fuseboard.traffic.questions import BUILT_IN


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What an engine runs; `None` leaves the choice to it."""

    ollama: str | None = None
    """This server and no other, as `OLLAMA_HOST` is written."""
    simulate: bool = False
    """The simulator, whatever else is there."""
    model: str | None = None
    embedding_model: str | None = None
    traffic: TrafficKind | None = None
    """`None` is RAG, or GENERATE where no model is known to embed."""
    prompts: tuple[str, ...] = BUILT_IN
    """The questions that the traffic asks."""
    rate: float | None = None
    """Calls of the traffic started a second; a question with all that it takes is one."""
    concurrency: int | None = None
    failure_threshold: int = 5
    recovery_timeout: float = 10.0
    """Seconds."""
    deadlines: Deadlines = field(default_factory=Deadlines)
    faults: tuple[tuple[str, FaultSetting], ...] = ()
    """Faults that are on from the start, and how each is set."""
    scenario: Scenario | None = None
    """What is played on the faults from the start of the traffic on."""
    metrics_host: str = "127.0.0.1"
    metrics_namespace: str = NAMESPACE
    """What every metric's name begins with."""
    metrics_port: int | None = None
    """0 is any free port; `None` is 9464 or the next free one."""
    proxy_port: int = 0
    """0 is any free port."""
    cache_entries: int = 1000
    """Answers that are kept; 0 keeps none."""
    cache_seconds: float = 600.0
    """How long each is kept."""
    warm: tuple[str, ...] = ()
    """Prompts whose answers are put into the cache at the start."""
    seed: int | None = None
    """For the dice of the faults and of the scenario."""
    simulator: SimulatorSettings = field(default_factory=SimulatorSettings)


def check_settings(settings: EngineSettings) -> None:
    """Raise `ValueError` if the settings contradict each other; the message says how."""
    check_namespace(settings.metrics_namespace)
    _check_traffic(settings)
    _check_warming(settings)


def _check_traffic(settings: EngineSettings) -> None:
    if not settings.prompts:
        raise ValueError("there are no prompts to ask")
    kind = settings.traffic
    if settings.embedding_model and kind is not None and not kind.embeds:
        raise ValueError(
            f"{kind.value} traffic embeds nothing: leave the embedding model out,"
            f" or choose {TrafficKind.RAG.value} or {TrafficKind.EMBED.value}"
        )


def _check_warming(settings: EngineSettings) -> None:
    if not settings.warm:
        return
    if not settings.cache_entries:
        raise ValueError("there is no cache to warm: cache_entries is 0")
    kind = settings.traffic or TrafficKind.RAG
    prompts = len(set(settings.warm))
    needed = prompts * (kind.embeds + kind.speaks)
    if needed > settings.cache_entries:
        raise ValueError(
            f"the cache has room for {settings.cache_entries} answers,"
            f" and warming it with {prompts} prompts takes {needed}"
        )
