"""`fuseboard serve`: run without a screen; JSON lines on stdout, and nothing else there."""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

import click

from fuseboard import CircuitBreaker, Transition
from fuseboard.engine.engine import Engine
from fuseboard.invalid_input import InvalidInputError
from fuseboard.recording.recorder import Recorder
from fuseboard.server.sockets import ListenError
from fuseboard.snapshot.snapshot import Phase, Snapshot, WarmingSnapshot
from fuseboard_tui.cli import option_types as types
from fuseboard_tui.cli.background_stderr import stderr_in_background
from fuseboard_tui.cli.garbage_collection import resume_collecting
from fuseboard_tui.cli.help_sections import Command, Option, check_alternatives, explicit_values
from fuseboard_tui.cli.json_lines import Event, JsonLines
from fuseboard_tui.cli.problems import BROKEN_PIPE, port_problem, report, report_recording
from fuseboard_tui.cli.run_options import (
    ALTERNATIVES,
    PORT_OPTIONS,
    combine,
    describe_dry_run,
    engine_settings,
    run_options,
    run_recorder,
)
from fuseboard_tui.cli.stop_request import StopRequest

_POLL_SECONDS = 0.5  # between checks whether the engine still runs
_START_SECONDS = 30.0


@click.pass_context
def _run(ctx: click.Context, /, *, duration: float | None, **parameters: Any) -> int:
    """Serve with the options of the file, those before `serve` and those after it."""
    from_file, before = ctx.obj
    after = explicit_values(parameters)
    check_alternatives(ctx, {**before, **after}, ALTERNATIVES)
    return serve_with(combine(from_file, before, after), duration)


def serve_with(options: Mapping[str, Any], duration: float | None) -> int:
    """Make an engine as the options say, serve, and return the exit code.

    Raises:
        ValueError: If an option is invalid, or the recording cannot be written.
    """
    if options.get("dry_run"):
        return describe_dry_run(options)
    engine = Engine(engine_settings(options))
    recorder = run_recorder(options, engine.snapshot)
    resume_collecting()
    with stderr_in_background():
        try:
            code = serve(engine, duration, recorder)
        except ListenError as error:
            return report(port_problem(error, PORT_OPTIONS))
        if recorder is not None:
            report_recording(recorder)
        return code


def serve(engine: Engine, duration: float | None, recorder: Recorder | None = None) -> int:
    """Run until `duration` seconds are over or a signal comes and return the exit code.

    Raises:
        ListenError: If a requested port cannot be bound.
        ValueError: If there is no stdout, or the file of the recorder cannot be written.
    """
    if sys.stdout is None:
        raise InvalidInputError("stdout is closed, and the events are written there")
    with StopRequest() as stopping:
        warnings = logging.StreamHandler()
        warnings.setLevel(logging.WARNING)  # the engine lowers the level of its logger
        logging.basicConfig(format="%(message)s", handlers=[warnings])
        stopping.on_signals()
        lines = JsonLines(sys.stdout.fileno(), stopping.make)
        code = _serve(engine, duration, recorder, lines, stopping)
        lost = lines.close()
        if lines.failure is not None:
            report(f"cannot write stdout: {lines.failure.strerror}")
            return BROKEN_PIPE if isinstance(lines.failure, BrokenPipeError) else 2
        if lost:
            return report(f"nobody reads stdout: {lost} lines are lost")
        return code


def _serve(
    engine: Engine,
    duration: float | None,
    recorder: Recorder | None,
    lines: JsonLines,
    stopping: StopRequest,
) -> int:
    for breaker in engine.breakers:
        breaker.on_transition(lambda *event: lines.write(_transition(*event)))
    engine.start()
    try:
        with recorder or nullcontext():
            ready = _wait_until_ready(engine, stopping)
            if ready.phase is Phase.RUNNING:
                for notice in ready.notices:
                    report(notice)
                lines.open(_ready(ready))
                _wait(engine, lines, stopping, duration)
            elif not stopping.wait(0):
                return report(ready.problem or "did not start in time")
    finally:
        engine.stop()
    last = engine.snapshot()
    if last.phase is Phase.FAILED:
        report(last.problem)
        return 1
    lines.open()
    lines.write(_summary(engine))
    return 0


def _wait_until_ready(engine: Engine, stopping: StopRequest) -> Snapshot:
    """Wait until the engine runs or has failed, or a signal comes; return a snapshot."""
    ends = time.monotonic() + _START_SECONDS
    while True:
        ready = engine.wait_until_ready(_POLL_SECONDS)
        if ready.phase is not Phase.STARTING or stopping.wait(0) or time.monotonic() > ends:
            return ready


def _wait(engine: Engine, lines: JsonLines, stopping: StopRequest, duration: float | None) -> None:
    """Write the progress of the cache warmer until time is up, a signal comes or the run ends."""
    ends = time.monotonic() + duration if duration is not None else math.inf
    written = None
    stop = False
    while (snapshot := engine.snapshot()).phase is Phase.RUNNING:
        if snapshot.warming != written and snapshot.warming is not None:
            lines.write(_warming(snapshot.warming))
            written = snapshot.warming
        if stop:
            return
        left = ends - time.monotonic()
        stop = left <= 0 or stopping.wait(min(left, _POLL_SECONDS))


def _transition(breaker: CircuitBreaker, transition: Transition) -> Event:
    return {
        "event": "transition",
        "breaker": breaker.name,
        "at": datetime.fromtimestamp(transition.at, UTC).isoformat(),
        "from": transition.from_state.name,
        "to": transition.to_state.name,
        "reason": transition.reason,
    }


def _ready(snapshot: Snapshot) -> Event:
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


def _warming(warming: WarmingSnapshot) -> Event:
    return {
        "event": "warming",
        "done": warming.done,
        "failed": warming.failed,
        "total": warming.total,
        "waits_for": warming.waiting_for or None,
    }


def _summary(engine: Engine) -> Event:
    breakers = []
    for breaker in engine.breakers:
        snapshot = breaker.snapshot()
        calls = {
            "success": snapshot.calls.success,
            "failure": snapshot.calls.failure,
            "rejected": snapshot.calls.rejected,
            "ignored": snapshot.calls.ignored,
        }
        breakers.append({"name": snapshot.name, "state": snapshot.state.name, "calls": calls})
    return {"event": "summary", "breakers": breakers}


COMMAND = Command(
    "serve",
    "Run without a screen; JSON lines on stdout: ready, transition, summary.",
    callback=_run,
    params=[
        *run_options(),
        Option(
            "--duration",
            type=types.positive_number,
            metavar="SECONDS",
            help="stop after so many seconds; without it, on Ctrl+C or SIGTERM",
        ),
    ],
)
