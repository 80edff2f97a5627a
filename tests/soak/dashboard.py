"""Random keys on the dashboard in a real terminal: `python -m tests.soak.dashboard`.

Traffic is at its maximum, a scenario switches faults, the window is resized. The
report lists problems and memory. Linux only.
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
from fuseboard_tui.screens.fault_input import FaultInputScreen
from fuseboard_tui.screens.help import key_name
from fuseboard_tui.screens.log import LogScreen
from fuseboard_tui.screens.metrics import MetricsScreen
from fuseboard_tui.screens.searchable_lines import SearchableLinesScreen
from fuseboard_tui.screens.settings import SettingsScreen
from fuseboard_tui.screens.state_diagram import StateDiagramScreen
from fuseboard_tui.screens.transition_detail import TransitionDetailScreen
from tests.terminal import Terminal, running, text_of

_SCREENS = (
    BoardScreen,
    AskScreen,
    FaultInputScreen,
    SearchableLinesScreen,
    LogScreen,
    MetricsScreen,
    SettingsScreen,
    StateDiagramScreen,
    TransitionDetailScreen,
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
# Keys that reduce the load are undone at once.
_UNDONE_BY = {b" ": b" ", b"[": b"]"}

_USUAL_SIZE = (120, 36)
_SIZES = [_USUAL_SIZE, (80, 24), (200, 50), (61, 18), (50, 12), (300, 90)]
_PAUSE = 0.05  # seconds between keys
_ESCAPE_SECONDS = 0.25  # after which an escape is a key, not the start of a sequence
_ROUND_SECONDS = 5.0  # of random keys between two checks that the board is alive
_FRAME_SECONDS = 10.0  # within which a live board draws
_MAX_DEPTH = 5  # presses of Esc that certainly lead back to the board
_END_SECONDS = 10.0
_CACHE_ENTRIES = 100  # filled soon; a thousand embeddings take 25 MiB
_SETTLED_SECONDS = 360.0  # after which the board's history hardly grows
_MAX_GROWTH = 10.0  # MiB after that

# Modes of a terminal, and their state after the program.
_FINAL_MODES = {
    1049: False,  # alternate screen
    25: True,  # cursor
    1000: False,  # mouse
    1003: False,
    1006: False,
    1015: False,
    1004: False,  # focus events
    2004: False,  # bracketed paste
    2048: False,  # in-band resize events
    7: True,  # line wrapping
}


@dataclass
class Findings:
    """The results of a run."""

    keys: int = 0
    frames: int = 0
    """Bursts of output."""
    memory: list[tuple[float, float]] = field(default_factory=list)
    """Seconds since the start and resident MiB, after each round."""
    problems: list[str] = field(default_factory=list)


def keys() -> list[bytes]:
    """Return the keys of all screens and faults, except those that quit."""
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
    """Press random keys on a dashboard in a terminal."""

    def __init__(self, terminal: Terminal, random: Random) -> None:
        self.findings = Findings()
        self._terminal = terminal
        self._random = random
        self._keys = keys()
        self._size = _USUAL_SIZE

    def run(self, seconds: float) -> Iterator[Findings]:
        """Press keys for so many seconds; yield the findings so far after each round.

        Raises:
            RuntimeError: If the program ends, or the board no longer draws.
        """
        started = time.monotonic()
        while (over := time.monotonic() - started) < seconds:
            until = time.monotonic() + min(_ROUND_SECONDS, seconds - over)
            while time.monotonic() < until:
                self._act()
            self._return_to_board()
            over = time.monotonic() - started
            self.findings.memory.append((over, self._terminal.mebibytes()))
            yield self.findings

    def read_errors(self) -> None:
        """Check the log of the dashboard.

        Raises:
            RuntimeError: If it contains errors.
        """
        for key in (b"l", b"v"):
            self._press(key)
        self._terminal.press(b"v")
        self._terminal.wait_for(b"Log, 0 of")
        self._press(_ESCAPE)

    def _act(self) -> None:
        sample = self._random.random()
        if sample < 0.02:
            self._size = self._random.choice(_SIZES)
            self._terminal.resize(self._size)
            self._watch(_PAUSE)
        elif sample < 0.1:
            self._use_mouse()
        else:
            key = self._random.choice(self._keys)
            self._press(key)
            if key in _UNDONE_BY:
                self._press(_UNDONE_BY[key])

    def _use_mouse(self) -> None:
        columns, lines = self._size
        # Not on the last line: a click on the footer can quit.
        column, line = self._random.randint(1, columns), self._random.randint(1, lines - 1)
        button = self._random.choice([0, 0, 64, 65])  # left; the wheel up, and down
        self._press(f"\x1b[<{button};{column};{line}M\x1b[<{button};{column};{line}m".encode())

    def _press(self, key: bytes) -> None:
        self._terminal.press(key)
        self.findings.keys += 1
        self._watch(_ESCAPE_SECONDS if key == _ESCAPE else _PAUSE)

    def _watch(self, seconds: float) -> None:
        drawn = self._terminal.watch(seconds)
        self.findings.frames += bool(drawn)
        if b"Traceback" in drawn:
            self.findings.problems.append(f"a traceback was drawn: {text_of(drawn)}")

    def _return_to_board(self) -> None:
        """Return to the board, and check that its clock still moves.

        Raises:
            RuntimeError: If nothing is drawn.
        """
        self._size = _USUAL_SIZE
        self._terminal.resize(self._size)
        for _ in range(_MAX_DEPTH):
            self._press(_ESCAPE)
        while self._terminal.watch(_PAUSE):
            pass  # the effects of the keys
        if not self._terminal.has_output(_FRAME_SECONDS):
            raise RuntimeError(f"nothing was drawn for {_FRAME_SECONDS:g} s")


def soak(seconds: float, seed: int) -> Iterator[Findings]:
    """Run the dashboard; yield the findings so far after each round, and all at the end."""
    with tempfile.TemporaryDirectory() as directory:
        command = [
            *(sys.executable, "-m", "fuseboard_tui", "--simulate", "--metrics-port", "0"),
            *("--rate", "1000", "--scenario", "flapping", "--seed", str(seed)),
            *("--recovery-timeout", "1", "--cache-entries", str(_CACHE_ENTRIES)),
            *("--export-dir", directory),
        ]
        with running(command, _USUAL_SIZE) as terminal:
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
                findings.problems.append(f"{error}: {text_of(terminal.tail)}")
            else:
                findings.problems += _problems_at_end(terminal, code, before)
            findings.problems += _growth(findings.memory)
            yield findings


def _problems_at_end(terminal: Terminal, code: int, before: list[object]) -> Iterator[str]:
    if code != 0:
        yield f"the exit code is {code}: {text_of(terminal.tail)}"
    last_output = terminal.tail.rpartition(b"\x1b[?1049l")[2]
    if b"Traceback" in last_output or b"ERROR" in last_output:
        yield f"its last output is {text_of(last_output)}"
    if terminal.attributes() != before:
        yield f"the terminal's attributes are {terminal.attributes()}, and were {before}"
    for mode, on in _FINAL_MODES.items():
        if terminal.modes.get(mode, on) is not on:
            yield f"the terminal's mode {mode} was left {'off' if on else 'on'}"


def _growth(memory: Sequence[tuple[float, float]]) -> Iterator[str]:
    settled = [mebibytes for over, mebibytes in memory if over >= _SETTLED_SECONDS]
    if settled and settled[-1] - settled[0] > _MAX_GROWTH:
        minutes = _SETTLED_SECONDS / 60
        yield f"after {minutes:g} min it took {settled[0]:.0f} MiB, in the end {settled[-1]:.0f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print figures each minute, and the problems; return 1 if there are any."""
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
