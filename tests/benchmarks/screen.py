"""What the screen costs against an app that shows a clock: `python -m tests.benchmarks.screen`.

Each app is a process of its own, at 120 × 36, and this one is its terminal. It
takes about five minutes, and needs Linux.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from statistics import median

from tests.benchmarks.screen_app import EMPTY

_COLUMNS, _LINES = 120, 36
_PATIENCE = 20.0  # seconds for what is sure to be drawn
_SETTLING = 2.0  # seconds after the first frame that are not measured
_QUIET = 0.03  # seconds without output after which a frame is over


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


class Terminal:
    """A terminal, and the app that runs in it."""

    def __init__(self, app: App) -> None:
        self.started = time.monotonic()
        self._pid, self._screen = os.forkpty()
        if self._pid == 0:
            size = struct.pack("HHHH", _LINES, _COLUMNS, 0, 0)
            fcntl.ioctl(0, termios.TIOCSWINSZ, size)
            environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
            os.execvpe(app.command[0], app.command, environment)
        self._expected = app.first_frame

    def close(self) -> None:
        """End the app."""
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._screen)

    def wait_for_first_frame(self) -> float:
        """Give the seconds from the start of the process to its first frame."""
        drawn = b""
        while self._expected not in drawn:
            if not self._has_output(_PATIENCE):
                raise RuntimeError(f"no frame within {_PATIENCE:g} s: {drawn[-2000:]!r}")
            drawn += self._output()
        return time.monotonic() - self.started

    def watch(self, seconds: float) -> float:
        """Let the app draw for a while; gives the CPU seconds it takes."""
        before = self._cpu_seconds()
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self._has_output(left):
                self._output()
        return self._cpu_seconds() - before

    def press(self, key: bytes) -> float:
        """Press a key between two frames; gives the seconds until something is drawn."""
        while self._has_output(_QUIET):
            self._output()
        pressed = time.monotonic()
        os.write(self._screen, key)
        if not self._has_output(_PATIENCE):
            raise RuntimeError(f"nothing was drawn for {key!r}")
        return time.monotonic() - pressed

    def mebibytes(self) -> float:
        """Give the memory that the process has at present."""
        status = Path(f"/proc/{self._pid}/status").read_text(encoding="ascii")
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    def _has_output(self, seconds: float) -> bool:
        return bool(select.select([self._screen], [], [], seconds)[0])

    def _output(self) -> bytes:
        try:
            return os.read(self._screen, 1 << 16)
        except OSError as error:  # how a terminal says that its last user has gone
            raise RuntimeError("the app has ended") from error

    def _cpu_seconds(self) -> float:
        # How Linux numbers the CPU clock of another process; /proc knows hundredths only.
        return time.clock_gettime(~self._pid << 3 | 2)


@contextmanager
def _running(app: App) -> Iterator[Terminal]:
    terminal = Terminal(app)
    try:
        yield terminal
    finally:
        terminal.close()


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
        with _running(app) as terminal:
            terminal.wait_for_first_frame()
            terminal.watch(_SETTLING)
            return terminal.watch(seconds) / seconds * 100

    def first_frame(app: App) -> float:
        with _running(app) as terminal:
            return terminal.wait_for_first_frame() * 1000

    def key(app: App) -> float:
        with _running(app) as terminal:
            terminal.wait_for_first_frame()
            terminal.watch(_SETTLING)
            return median(map(terminal.press, islice(cycle([b"j", b"k"]), keys))) * 1000

    def memory(app: App) -> float:
        with _running(app) as terminal:
            terminal.wait_for_first_frame()
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
