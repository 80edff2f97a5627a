"""Sample snapshots, and a source that returns them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from msgspec import structs

from fuseboard.breaker.counters import LEGAL_TRANSITIONS, CallCounts, DurationHistogram, Durations
from fuseboard.breaker.outcome import Verdict
from fuseboard.breaker.policies.base import Gauge
from fuseboard.breaker.records import Failure, Transition
from fuseboard.breaker.snapshot import (
    BreakerSnapshot,
    CacheSnapshot,
    PoolSnapshot,
    TransitionCounts,
)
from fuseboard.breaker.state import Mode, State
from fuseboard.engine.commands import Command
from fuseboard.faults.catalogue import CATALOGUE
from fuseboard.snapshot.snapshot import (
    BreakerRates,
    FaultSnapshot,
    Phase,
    Snapshot,
    TargetSnapshot,
    TrafficSnapshot,
)
from fuseboard.snapshot.traffic_kind import TrafficKind

NOW = 1_790_000_000.0  # 2026-09-21 14:13:20 UTC


def transition(ago: float, start: State, end: State, reason: str) -> Transition:
    causes = (Failure(NOW - ago, "HTTP 500", 0.2),) if end is State.OPEN else ()
    return Transition(NOW - ago, start, end, reason, causes)


def breaker(name: str = "ollama_generate", **changes: Any) -> BreakerSnapshot:
    """A closed breaker with some calls behind it."""
    snapshot = BreakerSnapshot(
        name=name,
        state=State.CLOSED,
        mode=Mode.AUTOMATIC,
        why="no trouble so far",
        changed_at=NOW - 200,
        seconds_in_state=200.0,
        retry_after=None,
        recovery_timeout=30.0,
        calls=CallCounts(success=1204, failure=37, rejected=0, ignored=2),
        unsent=0,
        late=0,
        in_flight=1,
        probes=0,
        consecutive_failures=1,
        gauges=(Gauge("consecutive failures", 1, 5),),
        history=(),
        transitions=TransitionCounts(dict.fromkeys(LEGAL_TRANSITIONS, 0)),
        state_seconds=dict.fromkeys(State, 0.0),
        durations={verdict: DurationHistogram().copy() for verdict in Verdict},
    )
    return replace(snapshot, **changes)


TRIPPED = transition(
    3.2,
    State.CLOSED,
    State.OPEN,
    "5 consecutive failures: 3× no first token within 5 s, 2× HTTP 500",
)

OPEN = breaker(
    state=State.OPEN,
    why=TRIPPED.reason,
    changed_at=TRIPPED.at,
    seconds_in_state=3.2,
    retry_after=26.8,
    calls=CallCounts(success=1204, failure=42, rejected=210, ignored=2),
    late=1,
    in_flight=0,
    consecutive_failures=5,
    gauges=(Gauge("consecutive failures", 5, 5),),
    history=(
        transition(95, State.CLOSED, State.OPEN, "5 consecutive failures: 5× connect refused"),
        transition(65, State.OPEN, State.HALF_OPEN, "recovery timeout of 30 s is over"),
        transition(63, State.HALF_OPEN, State.CLOSED, "probe succeeded"),
        TRIPPED,
    ),
)

HALF_OPEN = replace(
    OPEN,
    state=State.HALF_OPEN,
    why="recovery timeout of 30 s is over",
    changed_at=NOW - 0.4,
    seconds_in_state=0.4,
    retry_after=None,
    in_flight=1,
    probes=1,
    history=(
        *OPEN.history[:3],
        transition(30.4, State.CLOSED, State.OPEN, TRIPPED.reason),
        transition(0.4, State.OPEN, State.HALF_OPEN, "recovery timeout of 30 s is over"),
    ),
)

STARTING = Snapshot(taken_at=NOW, phase=Phase.STARTING, uptime=0.1)


def running_snapshot(
    *breakers: BreakerSnapshot, on: dict[str, float] | None = None, **changes: Any
) -> Snapshot:
    """A running engine with these breakers and these faults on."""
    on = on or {}
    idle = breaker(
        "ollama_embed", calls=CallCounts(), in_flight=0, consecutive_failures=0, gauges=()
    )
    snapshot = Snapshot(
        taken_at=NOW,
        phase=Phase.RUNNING,
        uptime=751.0,
        target=TargetSnapshot("http://127.0.0.1:11434", "llama3.2", simulated=False),
        metrics_url="http://127.0.0.1:9464/metrics",
        proxy_url="http://127.0.0.1:40000",
        pools=(PoolSnapshot("ollama", 3, 12, Durations(((0.05, 190), (0.1, 200)), 200, 4.0)),),
        caches=(CacheSnapshot("ollama", 620, 380, 412, 1000),),
        traffic=TrafficSnapshot(TrafficKind.RAG, True, 4.0, 8, 1, 0),
        faults=tuple(
            FaultSnapshot(
                fault.key,
                fault.name,
                fault.label,
                fault.describe(fault.default),
                fault.setting(probability=on.get(fault.name, 1.0)),
                fault.name in on,
            )
            for fault in CATALOGUE
        ),
        breakers=(*(breakers or (breaker(),)), idle),
        rates={
            "ollama_generate": BreakerRates(
                success=tuple(4 + 3 * ((n * 7) % 5 - 2) / 2 for n in range(60)),
                failure=(0.0,) * 52 + (2.0,) * 8,
                rejected=(0.0,) * 56 + (1.0, 3.0, 4.0, 4.0),
                ignored=(0.0,) * 60,
                p50=0.21,
                p95=1.8,
                p99=2.4,
                failed_share=0.06,
            )
        },
    )
    return structs.replace(snapshot, **changes)


class FakeSource:
    """A source that returns `current` and records the commands sent to it."""

    def __init__(self, snapshot: Snapshot | None = None) -> None:
        self.current = snapshot or running_snapshot()
        self.commands: list[Command] = []

    def snapshot(self) -> Snapshot:
        return self.current

    def send(self, command: Command) -> None:
        self.commands.append(command)
