"""Keys at random on the dashboard in a real terminal: `python -m tests.soak.dashboard`.

The traffic is as fast as it can be, faults come and go, the window changes its
size. It says what went wrong, and how much memory was taken; it needs Linux.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

from textual.binding import Binding

from fuseboard.faults.catalogue import CATALOGUE
from fuseboard_tui.board.screen import BoardScreen
from fuseboard_tui.screens.ask import AskScreen
from fuseboard_tui.screens.fault_line import FaultLineScreen
from fuseboard_tui.screens.help import key_name
from fuseboard_tui.screens.log import LogScreen
from fuseboard_tui.screens.metrics import MetricsScreen
from fuseboard_tui.screens.searched_lines import SearchedLinesScreen
from fuseboard_tui.screens.settings import SettingsScreen
from fuseboard_tui.screens.state_diagram import StateDiagramScreen
from fuseboard_tui.screens.transition_detail import TransitionScreen
from tests.terminal import Terminal, running, words_in

_SCREENS = (
    BoardScreen,
    AskScreen,
    FaultLineScreen,
    SearchedLinesScreen,
    LogScreen,
    MetricsScreen,
    SettingsScreen,
    StateDiagramScreen,
    TransitionScreen,
)
_QUIT = {"q", "ctrl+c", "ctrl+q"}
_ESCAPE = b"\x1b"
_SEQUENCES = {
    "space": b" ",
    "enter": b"\r",
    "escape": _ESCAPE,
    "up": b"\x1b[A",
    "down": b"\x1b[B",
    "right": b"\x1b[C",
    "left": b"\x1b[D",
    "shift+right": b"\x1b[1;2C",
    "shift+left": b"\x1b[1;2D",
    "home": b"\x1b[H",
    "end": b"\x1b[F",
    "pageup": b"\x1b[5~",
    "pagedown": b"\x1b[6~",
    "f1": b"\x1bOP",
}
# What would take the load away is undone at once.
_UNDONE_BY = {b" ": b" ", b"[": b"]"}

_HOME_SIZE = (120, 36)
_SIZES = [_HOME_SIZE, (80, 24), (200, 50), (61, 18), (50, 12), (300, 90)]
_PAUSE = 0.05  # seconds between keys
_ESCAPE_SECONDS = 0.25  # after which an escape is a key, and not the beginning of another
_ROUND_SECONDS = 5.0  # of random keys, until it is looked whether the board still moves
_FRAME_SECONDS = 10.0  # within which the board's clock must have moved
_DEEPEST = 5  # how often Esc must be pressed at most to be back on the board
_END_SECONDS = 10.0
_CACHE_ENTRIES = 100  # which are there soon; a thousand embeddings take 25 MiB
_SETTLED_SECONDS = 360.0  # by then the board remembers nearly as much as it ever will
_MOST_GROWTH = 10.0  # MiB after that

# Modes of a terminal, and how they must be left.
_LEFT_AS = {
    1049: False,  # the other screen
    25: True,  # the cursor
    1000: False,  # the mouse
    1003: False,
    1006: False,
    1015: False,
    1004: False,  # the focus
    2004: False,  # bracketed paste
    2048: False,  # telling of the window's size
    7: True,  # long lines go on in the next
}


@dataclass
class Findings:
    """What a run has shown."""

    keys: int = 0
    frames: int = 0
    """Bursts of output."""
    memory: list[tuple[float, float]] = field(default_factory=list)
    """After each round, how many seconds were over, and how many MiB it took."""
    problems: list[str] = field(default_factory=list)


def keys() -> list[bytes]:
    """Every key of the screens and of the faults, but for those that quit."""
    names = {
        key
        for screen in _SCREENS
        for binding in screen.BINDINGS
        if isinstance(binding, Binding)
        for key in binding.key.split(",")
    }
    pressed = [_SEQUENCES.get(name) or key_name(name).encode() for name in sorted(names - _QUIT)]
    return [*pressed, *(fault.key.encode() for fault in CATALOGUE)]


class Soak:
    """A run of the dashboard in a terminal."""

    def __init__(self, terminal: Terminal, random: Random) -> None:
        self.findings = Findings()
        self._terminal = terminal
        self._random = random
        self._keys = keys()
        self._size = _HOME_SIZE

    def run(self, seconds: float) -> Iterator[Findings]:
        """Press keys for so long; gives what was found so far, after each round.

        Raises:
            RuntimeError: If the program ends, or the board stands still.
        """
        started = time.monotonic()
        while (over := time.monotonic() - started) < seconds:
            until = time.monotonic() + min(_ROUND_SECONDS, seconds - over)
            while time.monotonic() < until:
                self._do_something()
            self._come_home()
            over = time.monotonic() - started
            self.findings.memory.append((over, self._terminal.mebibytes()))
            yield self.findings

    def read_errors(self) -> None:
        """Look at the program's own log.

        Raises:
            RuntimeError: If there are errors in it.
        """
        for key in (b"l", b"v"):
            self._press(key)
        self._terminal.press(b"v")
        self._terminal.wait_for(b"Log, 0 of")
        self._press(_ESCAPE)

    def _do_something(self) -> None:
        die = self._random.random()
        if die < 0.02:
            self._size = self._random.choice(_SIZES)
            self._terminal.resize(self._size)
            self._look(_PAUSE)
        elif die < 0.1:
            self._use_mouse()
        else:
            key = self._random.choice(self._keys)
            self._press(key)
            if key in _UNDONE_BY:
                self._press(_UNDONE_BY[key])

    def _use_mouse(self) -> None:
        columns, lines = self._size
        # Not on the last line: there is a place that quits.
        column, line = self._random.randint(1, columns), self._random.randint(1, lines - 1)
        button = self._random.choice([0, 0, 64, 65])  # left; the wheel up, and down
        self._press(f"\x1b[<{button};{column};{line}M\x1b[<{button};{column};{line}m".encode())

    def _press(self, key: bytes) -> None:
        self._terminal.press(key)
        self.findings.keys += 1
        self._look(_ESCAPE_SECONDS if key == _ESCAPE else _PAUSE)

    def _look(self, seconds: float) -> None:
        drawn = self._terminal.watch(seconds)
        self.findings.frames += bool(drawn)
        if b"Traceback" in drawn:
            self.findings.problems.append(f"a traceback was drawn: {words_in(drawn)}")

    def _come_home(self) -> None:
        """Go back to the board, whose clock moves every second."""
        self._size = _HOME_SIZE
        self._terminal.resize(self._size)
        for _ in range(_DEEPEST):
            self._press(_ESCAPE)
        while self._terminal.watch(_PAUSE):
            pass  # what was drawn for the keys
        if not self._terminal.has_output(_FRAME_SECONDS):
            raise RuntimeError(f"nothing was drawn for {_FRAME_SECONDS:g} s")


def soak(seconds: float, seed: int) -> Iterator[Findings]:
    """Run the dashboard; gives what was found so far after each round, and at the end all."""
    with tempfile.TemporaryDirectory() as directory:
        command = [
            *(sys.executable, "-m", "fuseboard_tui", "--simulate", "--metrics-port", "0"),
            *("--rate", "1000", "--scenario", "flapping", "--seed", str(seed)),
            *("--recovery-timeout", "1", "--cache-entries", str(_CACHE_ENTRIES)),
            *("--export-dir", directory),
        ]
        with running(command, _HOME_SIZE) as terminal:
            before = terminal.attributes()
            terminal.wait_for(b"success")
            run = Soak(terminal, Random(seed))
            findings = run.findings
            try:
                yield from run.run(seconds)
                run.read_errors()
                terminal.press(b"q")
                code = terminal.wait_for_end(_END_SECONDS)
            except (RuntimeError, TimeoutError) as error:
                findings.problems.append(f"{error}: {words_in(terminal.tail)}")
            else:
                findings.problems += _wrong_at_the_end(terminal, code, before)
            findings.problems += _growth(findings.memory)
            yield findings


def _wrong_at_the_end(terminal: Terminal, code: int, before: list[object]) -> Iterator[str]:
    if code != 0:
        yield f"the exit code is {code}: {words_in(terminal.tail)}"
    last_words = terminal.tail.rpartition(b"\x1b[?1049l")[2]
    if b"Traceback" in last_words or b"ERROR" in last_words:
        yield f"its last words are {words_in(last_words)}"
    if terminal.attributes() != before:
        yield f"the terminal's attributes are {terminal.attributes()}, and were {before}"
    for mode, on in _LEFT_AS.items():
        if terminal.modes.get(mode, on) is not on:
            yield f"the terminal's mode {mode} was left {'off' if on else 'on'}"


def _growth(memory: Sequence[tuple[float, float]]) -> Iterator[str]:
    settled = [mebibytes for over, mebibytes in memory if over >= _SETTLED_SECONDS]
    if settled and settled[-1] - settled[0] > _MOST_GROWTH:
        minutes = _SETTLED_SECONDS / 60
        yield f"after {minutes:g} min it took {settled[0]:.0f} MiB, in the end {settled[-1]:.0f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures of each minute, and what went wrong; 1 if anything did."""
    parser = argparse.ArgumentParser(description="Press keys at random on the dashboard.")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (%(default)g)")
    parser.add_argument("--seed", type=int, default=1, help="of the keys and faults (%(default)s)")
    options = parser.parse_args(arguments)
    minutes = 0
    findings = Findings()
    for findings in soak(60 * options.minutes, options.seed):
        if findings.memory and findings.memory[-1][0] >= 60 * minutes:
            minutes += 1
            print(_figures(findings), flush=True)
    print(_figures(findings))
    for problem in findings.problems:
        print(f"wrong: {problem}")
    return 1 if findings.problems else 0


def _figures(findings: Findings) -> str:
    over, mebibytes = findings.memory[-1] if findings.memory else (0.0, 0.0)
    counts = f"{findings.frames:,} frames  {findings.keys:,} keys"
    return f"{over:6.0f} s  {mebibytes:.1f} MiB  {counts}"


if __name__ == "__main__":
    sys.exit(main())
