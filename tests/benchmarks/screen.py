"""The cost of the screen, compared with an app that shows a clock.

`python -m tests.benchmarks.screen` takes about five minutes; `--quick` only shows
that it runs. Each app is a process of its own in a terminal of 120 × 36 that this
process reads. Needs Linux.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from statistics import median

from tests.benchmarks.screen_app import EMPTY
from tests.terminal import running

# Texts of the first frame, and of the first one that shows a breaker. The films' breakers are
# closed, and each breaker's row names its state, whatever else there is room for.
_CLOCK_FRAME, _BOARD_FRAME, _BREAKER = b"clock", b"Breakers", b"CLOSED"


@dataclass(frozen=True, slots=True)
class App:
    """A command, and the text on the screen that shows that it is ready."""

    command: list[str]
    ready: bytes


def _process(what: str, ready: bytes) -> App:
    return App([sys.executable, "-m", "tests.benchmarks.screen_app", what], ready)


def _film(name: str) -> App:
    return _process(name, _BREAKER)


_CLOCK = _process(EMPTY, _CLOCK_FRAME)
_BOARD = _film("still")
_SIMULATION = [sys.executable, "-m", "fuseboard_tui", "--simulate", "--metrics-port", "0"]
_STARTING = App(_SIMULATION, b"starting")
_WITH_ENGINE = App(_SIMULATION, _BREAKER)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure of the screen, compared with that of another app."""

    text: str
    measure: Callable[[App], float]
    app: App
    other: App
    unit: str
    at_most: float | None
    """The highest ratio aimed at."""


def _comparisons(seconds: float, keys: int, settling: float) -> list[Comparison]:
    def cpu(app: App) -> float:
        """Return the CPU time in percent of one core."""
        with running(app.command) as terminal:
            terminal.wait_for(app.ready)
            terminal.watch(settling)
            before = terminal.cpu_seconds()
            terminal.watch(seconds)
            return (terminal.cpu_seconds() - before) / seconds * 100

    def start(app: App) -> float:
        """Return the milliseconds until the app is ready."""
        with running(app.command) as terminal:
            terminal.wait_for(app.ready)
            return (time.monotonic() - terminal.started) * 1000

    def key(app: App) -> float:
        """Return the milliseconds from a key to the first output."""
        with running(app.command) as terminal:
            terminal.wait_for(app.ready)
            terminal.watch(settling)
            pressed = islice(cycle([b"j", b"k"]), keys)
            return median(map(terminal.seconds_to_output, pressed)) * 1000

    def memory(app: App) -> float:
        """Return the resident memory in MiB."""
        with running(app.command) as terminal:
            terminal.wait_for(app.ready)
            terminal.watch(settling)
            return terminal.mebibytes()

    few, many = _film("4 calls"), _film("1,000 calls")
    return [
        Comparison("nothing changes", cpu, _BOARD, _CLOCK, "% CPU", 1.2),
        Comparison("every figure changes", cpu, _film("changing"), _CLOCK, "% CPU", 3.0),
        Comparison("the same, 1,000 breakers", cpu, _film("many"), _CLOCK, "% CPU", None),
        Comparison("1,000 calls a second against 4", cpu, many, few, "% CPU", 1.1),
        Comparison("start to first frame", start, _STARTING, _CLOCK, "ms", 1.3),
        Comparison("start of a board without an engine", start, _BOARD, _CLOCK, "ms", 1.3),
        Comparison("start to the first breaker", start, _WITH_ENGINE, _CLOCK, "ms", None),
        Comparison("key to frame", key, _BOARD, _CLOCK, "ms", None),
        Comparison("memory", memory, _BOARD, _CLOCK, "MiB", None),
        Comparison("the same, with the engine", memory, _WITH_ENGINE, _CLOCK, "MiB", None),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the figures of the screen, those of the other app, and the ratios."""
    parser = argparse.ArgumentParser(description="Measure what the screen costs.")
    parser.add_argument("--rounds", type=int, default=5, help="of each, alternating (%(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of CPU time (%(default)g)")
    parser.add_argument("--keys", type=int, default=40, help="pressed in a round (%(default)s)")
    parser.add_argument("--settling", type=float, default=2.0, help="seconds before (%(default)g)")
    parser.add_argument("--only", default="", help="comparisons whose text contains this")
    parser.add_argument(
        "--quick", action="store_true", help="the shortest run, to see that it runs"
    )
    options = parser.parse_args(arguments)
    if options.quick:
        options.rounds, options.seconds, options.keys, options.settling = 1, 0.3, 2, 0.1
    print(f"{'':<32} {'fuseboard':>15} {'other':>15} {'ratio':>7} {'aim':>7}")
    for comparison in _comparisons(options.seconds, options.keys, options.settling):
        if options.only not in comparison.text:
            continue
        ours, others = [], []
        for _ in range(options.rounds):  # alternating, so that both run under the same load
            others.append(comparison.measure(comparison.other))
            ours.append(comparison.measure(comparison.app))
        one, other, unit = median(ours), median(others), comparison.unit
        aim = f"≤ {comparison.at_most:.1f}×" if comparison.at_most else ""
        print(
            f"{comparison.text:<32} {one:>8.1f} {unit:<6} {other:>8.1f} {unit:<6}"
            f" {one / other:>6.2f}× {aim:>7}",
            flush=True,
        )


if __name__ == "__main__":
    main()
