"""Films: sources of prepared snapshots, so that no engine is measured with the screen."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from itertools import cycle

from msgspec.structs import replace

from fuseboard.breaker.counters import CallCounts, Durations
from fuseboard.breaker.policies.base import Gauge
from fuseboard.breaker.snapshot import BreakerSnapshot, CacheSnapshot, PoolSnapshot
from fuseboard.engine.commands import Command
from fuseboard.snapshot.snapshot import BreakerRates, Snapshot, TrafficSnapshot
from fuseboard.snapshot.traffic_kind import TrafficKind
from tests.benchmarks.screen_app import REDRAWS_PER_SECOND
from tests.tui.fake_source import breaker, running_snapshot

_FRAMES = 48  # after which a film starts over
_SECONDS = 120  # of rates in each frame


class Film:
    """A source that returns its frames in an endless loop, each with the present time."""

    def __init__(self, *frames: Snapshot) -> None:
        self._frames = cycle(frames)
        self._started = time.time()
        gc.freeze()  # garbage collections need not traverse the frames

    def snapshot(self) -> Snapshot:
        """Return the next frame."""
        now = time.time()
        return replace(next(self._frames), taken_at=now, uptime=now - self._started)

    def send(self, command: Command) -> None:
        """Do nothing: there is no engine."""


def still() -> Film:
    """Return a film in which only the time changes."""
    return Film(running_snapshot())


def changing(breakers: int) -> Film:
    """Return a film in which every figure changes with each frame."""
    names = [f"breaker_{number}" for number in range(breakers)]
    frames = (
        running_snapshot(
            *(_changed(name, frame, number) for number, name in enumerate(names)),
            pools=(PoolSnapshot("ollama", 1 + frame % 11, 12, Durations(((1, 9),), 10, 4.0)),),
            caches=(CacheSnapshot("ollama", 40 * frame, 900, 100 + frame, 1000),),
            traffic=TrafficSnapshot(TrafficKind.RAG, True, 2.0 + frame, 99, frame, 3 * frame),
            rates={name: _rates(frame, 5.1 + n % 7) for n, name in enumerate(names)},
        )
        for frame in range(_FRAMES)
    )
    return Film(*frames)


def traffic(calls_per_second: int) -> Film:
    """Return a film in which counts change with each frame, and rates once a second."""
    frames = []
    for frame in range(_FRAMES):
        calls = CallCounts(10_000 + frame * calls_per_second // REDRAWS_PER_SECOND, 37, 0, 2)
        second = frame // REDRAWS_PER_SECOND
        rates = {"ollama_generate": _rates(second, calls_per_second * 0.8)}
        frames.append(running_snapshot(breaker(calls=calls), rates=rates))
    return Film(*frames)


FILMS: Mapping[str, Callable[[], Film]] = {
    "still": still,
    "changing": lambda: changing(4),
    "many": lambda: changing(1000),
    "4 calls": lambda: traffic(4),
    "1,000 calls": lambda: traffic(1000),
}


def _changed(name: str, frame: int, number: int) -> BreakerSnapshot:
    calls = CallCounts(1_200_000 + 61 * frame, 3700 + 7 * frame, 21 * frame, 3 * frame)
    return breaker(
        name,
        calls=calls,
        seconds_in_state=20.0 + number + frame * 0.3,
        in_flight=frame,
        late=1 + frame,
        gauges=(Gauge("consecutive failures", frame % 5, 5),),
    )


def _rates(frame: int, rate: float) -> BreakerRates:
    """Return rates that move by one position from a frame to the next."""
    moving = [(17 * (frame + second)) % 29 / 29 for second in range(_SECONDS)]
    return BreakerRates(
        success=tuple(rate * (1 + share) / 2 for share in moving),
        failure=tuple(rate * share / 7 for share in moving),
        rejected=tuple(rate * share / 5 for share in reversed(moving)),
        ignored=(0.0,) * _SECONDS,
        p50=0.1 + moving[0],
        p95=1.1 + moving[0],
        p99=2.1 + moving[0],
        failed_share=moving[0],
    )
