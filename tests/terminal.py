"""A real terminal with a program in it, for what only a terminal can show; needs Linux."""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PATIENCE = 20.0  # seconds for what is sure to come
_QUIET = 0.03  # seconds without output after which a frame is over
_POLL = 0.05
_MODE = re.compile(rb"\x1b\[\?([\d;]+)([hl])")
_LONGEST_MODE = 16  # bytes
_SEQUENCE = re.compile(rb"\x1b(\[[0-9;?<>=]*[a-zA-Z]|\][^\x07]*\x07|.)")
_MANY_WORDS = 3000  # characters


def words_in(drawn: bytes) -> str:
    """Give the last words of what was drawn, without what commands the terminal."""
    text = _SEQUENCE.sub(b" ", drawn).decode(errors="replace")
    return " ".join(text.split())[-_MANY_WORDS:]


class Terminal:
    """A pseudo-terminal, and the program that runs in it.

    Args:
        command: The program and its arguments.
        size: Columns and lines.
    """

    def __init__(self, command: list[str], size: tuple[int, int] = (120, 36)) -> None:
        self.started = time.monotonic()
        self.modes: dict[int, bool] = {}
        """The modes of the terminal that were switched, by number, and whether they are on."""
        self.tail = b""
        """The latest output."""
        self.pid, self._screen = os.forkpty()  # which begins a session and a group of its own
        if self.pid == 0:
            _set_size(0, size)
            environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
            os.execvpe(command[0], command, environment)
        self._ended: int | None = None

    def wait_for(self, text: bytes) -> None:
        """Read until a text is drawn.

        Raises:
            RuntimeError: If it never is.
        """
        drawn = b""
        end = time.monotonic() + _PATIENCE
        while text not in drawn:
            if not self.has_output(max(end - time.monotonic(), 0)):
                raise RuntimeError(f"no {text!r} within {_PATIENCE:g} s: {words_in(drawn)}")
            drawn += self.read()

    def watch(self, seconds: float) -> bytes:
        """Let the program draw for a while; gives what it draws."""
        drawn = b""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self.has_output(left):
                drawn += self.read()
        return drawn

    def press(self, key: bytes) -> None:
        """Press a key."""
        os.write(self._screen, key)

    def seconds_to_answer(self, key: bytes) -> float:
        """Press a key between two frames; gives the seconds until something is drawn."""
        while self.has_output(_QUIET):
            self.read()
        pressed = time.monotonic()
        self.press(key)
        if not self.has_output(_PATIENCE):
            raise RuntimeError(f"nothing was drawn for {key!r}")
        return time.monotonic() - pressed

    def resize(self, size: tuple[int, int]) -> None:
        """Make the window larger or smaller."""
        _set_size(self._screen, size)

    def attributes(self) -> list[object]:
        """Give what `stty` would say of the terminal."""
        return list(termios.tcgetattr(self._screen))

    def mebibytes(self) -> float:
        """Give the memory that the process has at present."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    def cpu_seconds(self) -> float:
        """Give the CPU time that the process has taken so far."""
        # How Linux numbers the CPU clock of another process; /proc knows hundredths only.
        return time.clock_gettime(~self.pid << 3 | 2)

    def has_output(self, seconds: float) -> bool:
        """Wait for output, and say whether it has come."""
        return bool(select.select([self._screen], [], [], seconds)[0])

    def read(self) -> bytes:
        """Read what was drawn.

        Raises:
            RuntimeError: If nobody draws any more.
        """
        try:
            drawn = os.read(self._screen, 1 << 16)
        except OSError as error:  # how a terminal says that its last user has gone
            raise RuntimeError("the program has ended") from error
        searched = self.tail[-_LONGEST_MODE:] + drawn
        for numbers, switch in _MODE.findall(searched):
            self.modes.update(dict.fromkeys(map(int, numbers.split(b";")), switch == b"h"))
        self.tail = (self.tail + drawn)[-20_000:]
        return drawn

    def wait_for_end(self, seconds: float = _PATIENCE) -> int:
        """Read until the program has ended; gives its exit code, below 0 if a signal ended it.

        Raises:
            TimeoutError: If it does not end.
        """
        end = time.monotonic() + seconds
        while not self._has_ended():
            if time.monotonic() > end:
                raise TimeoutError(f"it did not end within {seconds:g} s")
            self._read_rest()
        self._read_rest()
        assert self._ended is not None
        return self._ended

    def hang_up(self) -> None:
        """Close the terminal under the program."""
        os.close(self._screen)
        self._screen = -1

    def close(self) -> None:
        """End the program, if it still runs, and the terminal."""
        if not self._has_ended():
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        if self._screen >= 0:
            self.hang_up()

    def _has_ended(self) -> bool:
        if self._ended is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._ended = os.waitstatus_to_exitcode(status)
        return self._ended is not None

    def _read_rest(self) -> None:
        try:
            while self._screen >= 0 and self.has_output(_POLL):
                self.read()
        except RuntimeError:
            time.sleep(_POLL)  # the last words are said, and the program is about to end
        if self._screen < 0:
            time.sleep(_POLL)


@contextmanager
def running(command: list[str], size: tuple[int, int] = (120, 36)) -> Iterator[Terminal]:
    """Run a program in a terminal of its own."""
    terminal = Terminal(command, size)
    try:
        yield terminal
    finally:
        terminal.close()


def _set_size(terminal: int, size: tuple[int, int]) -> None:
    columns, lines = size
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
