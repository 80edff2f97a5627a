"""What the screen costs against an app that shows a clock: `python -m tests.benchmarks.screen`.

Each app is a process of its own, at 120 × 36, and this one is its terminal. It
takes about five minutes, and needs Linux.
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

_SETTLING = 2.0  # seconds after the first frame that are not measured


@dataclass(frozen=True, slots=True)
class App:
    """A command, and what its first frame contains."""

    command: list[str]
    first_frame: bytes


def _process(what: str, first_frame: bytes) -> App:
    return App([sys.executable, "-m", "tests.benchmarks.screen_app", what], first_frame)


def _film(name: str) -> App:
    return _process(name, b"success")


_CLOCK = _process(EMPTY, b"clock")
_BOARD = _film("still")
_WITH_ENGINE = App(
    [sys.executable, "-m", "fuseboard_tui", "--simulate", "--metrics-port", "0"], b"success"
)


@dataclass(frozen=True, slots=True)
class Question:
    """One figure of the screen, compared with that of another app."""

    words: str
    measure: Callable[[App], float]
    app: App
    other: App
    unit: str
    at_most: float | None
    """What the ratio should be."""


def _questions(seconds: float, keys: int) -> list[Question]:
    def cpu(app: App) -> float:
        """Give the share of a core, in percent."""
        with running(app.command) as terminal:
            terminal.wait_for(app.first_frame)
            terminal.watch(_SETTLING)
            before = terminal.cpu_seconds()
            terminal.watch(seconds)
            return (terminal.cpu_seconds() - before) / seconds * 100

    def first_frame(app: App) -> float:
        with running(app.command) as terminal:
            terminal.wait_for(app.first_frame)
            return (time.monotonic() - terminal.started) * 1000

    def key(app: App) -> float:
        with running(app.command) as terminal:
            terminal.wait_for(app.first_frame)
            terminal.watch(_SETTLING)
            return median(map(terminal.seconds_to_answer, islice(cycle([b"j", b"k"]), keys))) * 1000

    def memory(app: App) -> float:
        with running(app.command) as terminal:
            terminal.wait_for(app.first_frame)
            terminal.watch(_SETTLING)
            return terminal.mebibytes()

    few, many = _film("4 calls"), _film("1,000 calls")
    return [
        Question("nothing changes", cpu, _BOARD, _CLOCK, "% CPU", 1.2),
        Question("every figure changes", cpu, _film("changing"), _CLOCK, "% CPU", 3.0),
        Question("the same, 1,000 breakers", cpu, _film("many"), _CLOCK, "% CPU", None),
        Question("1,000 calls a second against 4", cpu, many, few, "% CPU", 1.1),
        Question("start to first frame", first_frame, _BOARD, _CLOCK, "ms", 1.3),
        Question("the same, with the engine", first_frame, _WITH_ENGINE, _CLOCK, "ms", None),
        Question("key to frame", key, _BOARD, _CLOCK, "ms", None),
        Question("memory", memory, _BOARD, _CLOCK, "MiB", None),
        Question("the same, with the engine", memory, _WITH_ENGINE, _CLOCK, "MiB", None),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the figures of the screen, those of the other app, and the ratios."""
    parser = argparse.ArgumentParser(description="Measure what the screen costs.")
    parser.add_argument("--rounds", type=int, default=5, help="of each, alternating (%(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of CPU time (%(default)g)")
    parser.add_argument("--keys", type=int, default=40, help="pressed in a round (%(default)s)")
    parser.add_argument("--only", default="", help="questions that contain these words")
    options = parser.parse_args(arguments)
    print(f"{'':<32} {'fuseboard':>15} {'other':>15} {'ratio':>7} {'aim':>7}")
    for question in _questions(options.seconds, options.keys):
        if options.only not in question.words:
            continue
        ours, others = [], []
        for _ in range(options.rounds):  # one and the other, so that both meet the same machine
            others.append(question.measure(question.other))
            ours.append(question.measure(question.app))
        one, other = median(ours), median(others)
        aim = f"≤ {question.at_most:.1f}×" if question.at_most else ""
        print(
            f"{question.words:<32} {one:>8.1f} {question.unit:<6} {other:>8.1f} {question.unit:<6}"
            f" {one / other:>6.2f}× {aim:>7}",
            flush=True,
        )


if __name__ == "__main__":
    main()
