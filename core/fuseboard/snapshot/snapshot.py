"""Immutable pictures of everything that a dashboard may draw."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from msgspec import Struct, field

from fuseboard.breaker.snapshot import BreakerSnapshot, CacheSnapshot, PoolSnapshot
from fuseboard.snapshot.fault_setting import FaultSetting
from fuseboard.snapshot.traffic_kind import TrafficKind


class BreakerRates(Struct, frozen=True, gc=False):
    """What one breaker did in the last seconds."""

    success: tuple[float, ...] = ()
    """Calls a second in each of the last seconds, the oldest first; the others are like it."""
    failure: tuple[float, ...] = ()
    rejected: tuple[float, ...] = ()
    ignored: tuple[float, ...] = ()
    p50: float | None = None
    """Seconds that half of the answered calls of the last minute took at most; `None` if there
    were none. Estimated from the histogram of durations."""
    p95: float | None = None
    p99: float | None = None
    failed_share: float | None = None
    """The share of failures, 0-1, in the answered calls of the last minute; `None` if there were
    none."""

    @property
    def rates(self) -> tuple[float, ...]:
        """Calls a second in each of the last seconds, whatever became of them."""
        each = zip(self.success, self.failure, self.rejected, self.ignored, strict=True)
        return tuple(map(sum, each))

    @property
    def latest(self) -> float:
        """Calls a second in the last second, whatever became of them."""
        kinds = (self.success, self.failure, self.rejected, self.ignored)
        return sum(rates[-1] for rates in kinds if rates)


class Phase(Enum):
    """How far an engine has come."""

    STARTING = "starting"
    RUNNING = "running"
    FAILED = "failed"
    STOPPED = "stopped"


class FaultSnapshot(Struct, frozen=True, gc=False):
    """One fault of the catalogue, and whether it is on."""

    key: str
    """The key that switches it."""
    name: str
    label: str
    """A few letters for where there is little room."""
    words: str
    """One line that says what it does to the wire, as it is set."""
    setting: FaultSetting
    active: bool


class ScenarioSnapshot(Struct, frozen=True, gc=False):
    """A scenario that is being played."""

    name: str
    next_step: str
    """What it does next, in the words it was written in."""
    seconds_to_next: float


class TrafficSnapshot(Struct, frozen=True, gc=False):
    """The calls that the engine makes by itself; a call may be several to the server."""

    kind: TrafficKind
    running: bool
    rate: float
    """Calls a second it aims at."""
    concurrency: int
    """How many calls it lets be under way at once."""
    in_flight: int
    skipped: int
    """Calls not started because that many were under way already."""


class WarmingSnapshot(Struct, frozen=True, gc=False):
    """How far the filling of the cache is."""

    done: int
    failed: int
    """Prompts that were given up."""
    total: int
    held_up: str
    """The open breaker that it waits for; empty if it does not wait."""

    @property
    def ended(self) -> bool:
        """Whether nothing is left to ask."""
        return self.done + self.failed >= self.total


class TargetSnapshot(Struct, frozen=True, gc=False):
    """The Ollama at the far end of the wire."""

    url: str
    model: str
    """The model on it that speaks."""
    simulated: bool
    """Whether it is the built-in simulator."""
    embedding_model: str = ""
    """The model on it that embeds; empty if none is known."""


class AnswerState(Enum):
    """How far the answer to a prompt has come."""

    NONE = "nothing asked"
    WAITING = "waiting for the first token"
    STREAMING = "streaming"
    COMPLETE = "complete"
    FAILED = "failed"
    REJECTED = "rejected"
    STOPPED = "stopped"

    @property
    def under_way(self) -> bool:
        """Whether more of it may come."""
        return self in (AnswerState.WAITING, AnswerState.STREAMING)


class PromptSnapshot(Struct, frozen=True, gc=False):
    """The latest prompt that was asked by hand, and its answer so far."""

    model: str
    """Whom it is put to."""
    breaker: str
    """The name of the breaker that the call goes through."""
    state: AnswerState = AnswerState.NONE
    prompt: str = ""
    text: str = ""
    """The answer; of a very long one, its end."""
    cut: int = 0
    """How many characters came before that."""
    why: str = ""
    """Why it has ended, in words."""
    seconds: float = 0.0
    """Since it was asked; once it has ended, until then."""
    first_token: float | None = None
    """Seconds to the first token, if one has come."""
    tokens: int = 0
    """How many the answer has, as the server counts when it is complete."""
    tokens_per_second: float = 0.0
    """As the server measures; 0 where it does not."""


class LogLevel(Enum):
    """How much a line of the log matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogLine(Struct, frozen=True, gc=False):
    """Something that the program had to say."""

    at: float
    """Unix seconds."""
    level: LogLevel
    source: str
    """The part of the program that says it."""
    words: str
    """May be several lines, as tracebacks are."""


class Refusal(Struct, frozen=True, gc=False):
    """A command that was not carried out."""

    at: float
    """Unix seconds."""
    words: str
    """Why not."""


class Snapshot(Struct, frozen=True, gc=False):
    """Everything a dashboard may draw, at one moment."""

    taken_at: float
    """Unix seconds."""
    phase: Phase
    uptime: float
    """Seconds since the engine was started."""
    silence: float = 0.0
    """Seconds since the engine's own thread last gave a sign of life, while it should."""
    problem: str = ""
    """Why it failed, in words, if it did."""
    notices: tuple[str, ...] = ()
    """What the user ought to know: a port that moved, a model that is not there."""
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
    activity: Mapping[str, BreakerRates] = field(default_factory=dict)
    """What each breaker did lately, by its name."""
    prompt: PromptSnapshot | None = None
    """What is asked by hand; `None` as long as nobody can be asked."""
    log: tuple[LogLine, ...] = ()
    """The latest lines of the program's log, oldest first."""
    refusals: tuple[Refusal, ...] = ()
    """The latest commands that were not carried out, oldest first."""

    def breaker(self, name: str) -> BreakerSnapshot | None:
        """Find a breaker's picture by name."""
        return next((breaker for breaker in self.breakers if breaker.name == name), None)
