"""Running without a screen: JSON lines on stdout, and nothing else there."""

from __future__ import annotations

import json
import logging
import math
import signal
import sys
import threading
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from types import FrameType

from fuseboard import CircuitBreaker, Transition
from fuseboard.engine.engine import Engine
from fuseboard.recording.recorder import Recorder
from fuseboard.snapshot.snapshot import Phase, Snapshot, WarmingSnapshot
from fuseboard_tui.cli.stop_request import StopRequest

_LOOK_SECONDS = 0.5  # between looks at whether the engine still runs


def serve(engine: Engine, duration: float | None, recorder: Recorder | None = None) -> int:
    """Run until `duration` seconds are over or a signal comes; returns the exit code.

    Raises `ListenError` if a port that was asked for cannot be had, and
    `ValueError` if the file of the recorder cannot be written.
    """
    warns = logging.StreamHandler()
    warns.setLevel(logging.WARNING)  # the engine's log holds what only informs, too
    logging.basicConfig(format="%(message)s", handlers=[warns])
    with StopRequest() as stopping:
        return _serve(engine, duration, recorder, stopping)


def _serve(
    engine: Engine, duration: float | None, recorder: Recorder | None, stopping: StopRequest
) -> int:
    output = _JsonLines(stopping)

    def ask_to_stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.make()

    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, ask_to_stop)
    for breaker in engine.breakers:
        breaker.on_transition(output.write_transition)
    engine.start()
    try:
        with recorder or nullcontext():
            ready = engine.wait_until_ready()
            if ready.phase is not Phase.RUNNING:
                print(f"fuseboard: {ready.problem or 'did not start in time'}", file=sys.stderr)  # noqa: T201
                return 2
            for notice in ready.notices:
                print(f"fuseboard: {notice}", file=sys.stderr)  # noqa: T201
            output.open(_ready(ready))
            _wait(engine, output, stopping, duration)
    finally:
        engine.stop()
    last = engine.snapshot()
    if last.phase is Phase.FAILED:
        print(f"fuseboard: {last.problem}", file=sys.stderr)  # noqa: T201
        return 1
    output.write(_summary(engine))
    return 0


def _wait(
    engine: Engine, output: _JsonLines, stopping: StopRequest, duration: float | None
) -> None:
    """Wait for the end of the duration, a signal, or the end of the engine by itself."""
    ends = time.monotonic() + duration if duration is not None else math.inf
    told = None
    stop = False
    while (seen := engine.snapshot()).phase is Phase.RUNNING:
        if seen.warming != told and seen.warming is not None:
            output.write(_warming(seen.warming))
            told = seen.warming
        if stop:
            return
        left = ends - time.monotonic()
        stop = left <= 0 or stopping.wait(min(left, _LOOK_SECONDS))


class _JsonLines:
    """Writes whole lines from any thread; a reader that goes away ends the program.

    What comes before the first line that `open()` is given comes after it.
    """

    def __init__(self, stopping: StopRequest) -> None:
        self._lock = threading.Lock()
        self._stopping = stopping
        self._held: list[dict[str, object]] | None = []

    def open(self, first: dict[str, object]) -> None:
        with self._lock:
            held, self._held = self._held or [], None
            for event in (first, *held):
                self._print(event)

    def write(self, event: dict[str, object]) -> None:
        with self._lock:
            if self._held is None:
                self._print(event)
            else:
                self._held.append(event)

    def _print(self, event: dict[str, object]) -> None:
        try:
            sys.stdout.write(json.dumps(event, ensure_ascii=False) + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            self._stopping.make()

    def write_transition(self, breaker: CircuitBreaker, transition: Transition) -> None:
        self.write(
            {
                "event": "transition",
                "breaker": breaker.name,
                "at": datetime.fromtimestamp(transition.at, UTC).isoformat(),
                "from": transition.from_state.name,
                "to": transition.to_state.name,
                "reason": transition.reason,
            }
        )


def _ready(snapshot: Snapshot) -> dict[str, object]:
    target = snapshot.target
    return {
        "event": "ready",
        "metrics_url": snapshot.metrics_url,
        "ollama_url": target.url if target else "",
        "proxy_url": snapshot.proxy_url,
        "simulated": bool(target and target.simulated),
        "model": target.model if target else "",
        "embedding_model": target.embedding_model if target else "",
        "traffic": snapshot.traffic.kind.value if snapshot.traffic else "",
    }


def _warming(seen: WarmingSnapshot) -> dict[str, object]:
    return {
        "event": "warming",
        "done": seen.done,
        "failed": seen.failed,
        "total": seen.total,
        "waits_for": seen.waiting_for or None,
    }


def _summary(engine: Engine) -> dict[str, object]:
    breakers = []
    for breaker in engine.breakers:
        seen = breaker.snapshot()
        calls = {
            "success": seen.calls.success,
            "failure": seen.calls.failure,
            "rejected": seen.calls.rejected,
            "ignored": seen.calls.ignored,
        }
        breakers.append({"name": seen.name, "state": seen.state.name, "calls": calls})
    return {"event": "summary", "breakers": breakers}
