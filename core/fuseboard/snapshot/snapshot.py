"""Immutable snapshots of everything that the dashboard draws."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from itertools import zip_longest

from msgspec import Struct, field

from fuseboard.breaker.snapshot import BreakerSnapshot, CacheSnapshot, PoolSnapshot
from fuseboard.snapshot.fault_setting import FaultSetting
from fuseboard.snapshot.traffic_kind import TrafficKind


class BreakerRates(Struct, frozen=True, gc=False):
    """How many calls one breaker got per second lately, and how long they took.

    No values mean that no rate is known yet.
    """

    success: tuple[float, ...] = ()
    """Successful calls per second, one value for each of the last seconds, oldest first."""
    failure: tuple[float, ...] = ()
    """As `success`, of the failed calls."""
    rejected: tuple[float, ...] = ()
    """As `success`, of the rejected calls."""
    ignored: tuple[float, ...] = ()
    """As `success`, of the ignored calls."""
    p50: float | None = None
    """Median duration in seconds of the last minute's successful and failed calls, estimated
    from a histogram; `None` if there were none."""
    p95: float | None = None
    """As `p50`, the 95th percentile."""
    p99: float | None = None
    """As `p50`, the 99th percentile."""
    failed_share: float | None = None
    """Share (0–1) of failures in the last minute's successful and failed calls; `None` if there
    were none."""

    @property
    def total(self) -> tuple[float, ...]:
        """Calls per second of all kinds, one value for each of the last seconds, oldest first."""
        kinds = (self.success, self.failure, self.rejected, self.ignored)
        each = zip_longest(*map(reversed, kinds), fillvalue=0.0)  # in a file, some may be shorter
        return tuple(map(sum, each))[::-1]

    @property
    def latest(self) -> float:
        """Calls per second of all kinds in the last second; 0 if no rate is known."""
        kinds = (self.success, self.failure, self.rejected, self.ignored)
        return sum(rates[-1] for rates in kinds if rates)


class Phase(Enum):
    """The stage of an engine's life."""

    STARTING = "starting"
    RUNNING = "running"
    FAILED = "failed"
    STOPPED = "stopped"


class FaultSnapshot(Struct, frozen=True, gc=False):
    """One fault of the catalogue, its setting, and whether it is on."""

    key: str
    """The key that switches it."""
    name: str
    label: str
    """A few letters, for where there is little room."""
    description: str
    """What it does to the connection with its present setting, in one line."""
    setting: FaultSetting
    active: bool


class ScenarioSnapshot(Struct, frozen=True, gc=False):
    """A scenario that is being played."""

    name: str
    next_step: str
    """The step it takes next, as the scenario's file writes it."""
    seconds_to_next: float


class TrafficSnapshot(Struct, frozen=True, gc=False):
    """The state of the traffic generator. One of its calls may be several requests."""

    kind: TrafficKind
    running: bool
    rate: float
    """Calls per second that it aims at."""
    concurrency: int
    """How many calls may be in flight at once."""
    in_flight: int
    skipped: int
    """Calls that were due but not started: `concurrency` was reached, or the process was busy."""
    actual_rate: float | None = None
    """Calls per second that were started lately; `None` if that is not known."""

    @property
    def falls_behind(self) -> bool:
        """Whether noticeably fewer calls are started than it aims at."""
        return self.actual_rate is not None and self.actual_rate < 0.99 * self.rate


class WarmingSnapshot(Struct, frozen=True, gc=False):
    """The progress of the cache warmer."""

    done: int
    failed: int
    """Questions that were given up."""
    total: int
    waiting_for: str
    """Name of the open breaker it waits for; empty if it does not wait."""

    @property
    def ended(self) -> bool:
        """Whether every question is done or given up."""
        return self.done + self.failed >= self.total


class TargetSnapshot(Struct, frozen=True, gc=False):
    """The Ollama server that is called, and its models."""

    url: str
    model: str
    """The model that generates text."""
    simulated: bool
    """Whether it is the built-in simulator."""
    embedding_model: str = ""
    """The model that embeds; empty if none is known."""


class AnswerState(Enum):
    """The stage of a model's answer to a prompt that the user asked."""

    NONE = "nothing asked"
    WAITING = "waiting for the first token"
    STREAMING = "streaming"
    COMPLETE = "complete"
    FAILED = "failed"
    REJECTED = "rejected"
    STOPPED = "stopped"

    @property
    def under_way(self) -> bool:
        """Whether more of the answer may arrive."""
        return self in (AnswerState.WAITING, AnswerState.STREAMING)


class PromptSnapshot(Struct, frozen=True, gc=False):
    """The latest prompt that the user asked, and the model's answer so far."""

    model: str
    breaker: str
    """Name of the breaker that the call passes through."""
    state: AnswerState = AnswerState.NONE
    prompt: str = ""
    answer: str = ""
    """The answer so far; only the end of a very long one."""
    omitted: int = 0
    """How many characters of the answer precede `answer`."""
    reason: str = ""
    """Why the answer ended."""
    seconds: float = 0.0
    """Seconds since the prompt was sent, until now or until the answer ended."""
    first_token: float | None = None
    """Seconds until the first token; `None` if none has arrived."""
    tokens: int = 0
    """Length of the complete answer, as the server reports it."""
    tokens_per_second: float = 0.0
    """Speed as the server reports it; 0 if it does not."""
    thinking: str = ""
    """What the model said to itself before the answer; only the end if that is very long."""
    omitted_thinking: int = 0
    """How many characters precede `thinking`."""


class LogLevel(Enum):
    """The severity of a log line."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogLine(Struct, frozen=True, gc=False):
    """One record of the program's log."""

    at: float
    """Unix seconds."""
    level: LogLevel
    source: str
    """The part of the program that logged it."""
    message: str
    """May span several lines, as a traceback does."""


class Refusal(Struct, frozen=True, gc=False):
    """A command that was not carried out."""

    at: float
    """Unix seconds."""
    message: str
    """Why it was not."""


class Snapshot(Struct, frozen=True, gc=False):
    """Everything that the dashboard draws, at one moment."""

    taken_at: float
    """Unix seconds."""
    phase: Phase
    uptime: float
    """Seconds since the engine was started."""
    silence: float = 0.0
    """Seconds for which the engine's thread has been unresponsive; 0 while it is well."""
    problem: str = ""
    """Why the engine failed; empty if it did not."""
    notices: tuple[str, ...] = ()
    """What the user should know: a port that was changed, a model that is missing."""
    target: TargetSnapshot | None = None
    metrics_url: str = ""
    proxy_url: str = ""
    traffic: TrafficSnapshot | None = None
    faults: tuple[FaultSnapshot, ...] = ()
    scenario: ScenarioSnapshot | None = None
    breakers: tuple[BreakerSnapshot, ...] = ()
    pools: tuple[PoolSnapshot, ...] = ()
    caches: tuple[CacheSnapshot, ...] = ()
    warming: WarmingSnapshot | None = None
    rates: Mapping[str, BreakerRates] = field(default_factory=dict)
    """Calls per second and durations of each breaker, by its name."""
    prompt: PromptSnapshot | None = None
    """The prompt that the user asked; `None` while no prompt can be sent."""
    log: tuple[LogLine, ...] = ()
    """The latest log lines, oldest first."""
    refusals: tuple[Refusal, ...] = ()
    """The latest refused commands, oldest first."""

    def breaker(self, name: str) -> BreakerSnapshot | None:
        """Return a breaker's snapshot by name; `None` if there is no such breaker."""
        return next((breaker for breaker in self.breakers if breaker.name == name), None)
