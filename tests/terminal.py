"""A pseudo-terminal with a program in it, for tests that need a real terminal; Linux only."""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

_TIMEOUT = 20.0  # seconds
_QUIET = 0.03  # seconds without output that end a frame
_POLL = 0.05
_MODE = re.compile(rb"\x1b\[\?([\d;]+)([hl])")
_MAX_MODE_LENGTH = 16  # bytes
_SEQUENCE = re.compile(rb"\x1b(\[[0-9;?<>=]*[a-zA-Z]|\][^\x07]*\x07|.)")
_MAX_TEXT = 3000  # characters


def text_of(drawn: bytes) -> str:
    """Return the end of what was drawn, without the escape sequences."""
    text = _SEQUENCE.sub(b" ", drawn).decode(errors="replace")
    return " ".join(text.split())[-_MAX_TEXT:]


class Terminal:
    """A pseudo-terminal, and the program that runs in it.

    Args:
        command: The program and its arguments.
        size: Columns and lines.
        environment: Variables beside those of this process.
    """

    def __init__(
        self,
        command: list[str],
        size: tuple[int, int] = (120, 36),
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.started = time.monotonic()
        self.modes: dict[int, bool] = {}
        """Whether each mode that the program has switched is on, by number."""
        self.tail = b""
        """The latest output."""
        self.pid, self._screen = os.forkpty()  # which begins a session and a group of its own
        if self.pid == 0:
            _set_size(0, size)
            for size_of_another in ("COLUMNS", "LINES"):
                os.environ.pop(size_of_another, None)
            usual = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
            os.execvpe(command[0], command, {**usual, **environment})
        self._ended: int | None = None

    def wait_for(self, text: bytes) -> None:
        """Read until a text is drawn.

        Raises:
            RuntimeError: If it is not drawn within 20 seconds.
        """
        drawn = b""
        end = time.monotonic() + _TIMEOUT
        while text not in drawn:
            if not self.has_output(max(end - time.monotonic(), 0)):
                raise RuntimeError(f"no {text!r} within {_TIMEOUT:g} s: {text_of(drawn)}")
            drawn += self.read()

    def watch(self, seconds: float) -> bytes:
        """Read for so many seconds, and return the output."""
        drawn = b""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self.has_output(left):
                drawn += self.read()
        return drawn

    def press(self, key: bytes) -> None:
        """Press a key."""
        os.write(self._screen, key)

    def seconds_to_output(self, key: bytes) -> float:
        """Press a key between two frames, and return the seconds until the next output."""
        while self.has_output(_QUIET):
            self.read()
        pressed = time.monotonic()
        self.press(key)
        if not self.has_output(_TIMEOUT):
            raise RuntimeError(f"nothing was drawn for {key!r}")
        return time.monotonic() - pressed

    def resize(self, size: tuple[int, int]) -> None:
        """Set the size of the window."""
        _set_size(self._screen, size)

    def attributes(self) -> list[object]:
        """Return the attributes of the terminal, as `stty` shows them."""
        return list(termios.tcgetattr(self._screen))

    def mebibytes(self) -> float:
        """Return the resident memory of the program in MiB."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    def cpu_seconds(self) -> float:
        """Return the CPU time of the program so far."""
        # The number of the CPU clock of another process on Linux; /proc has only hundredths.
        return time.clock_gettime(~self.pid << 3 | 2)

    def has_output(self, seconds: float) -> bool:
        """Wait for output at most so many seconds, and return whether there is any."""
        return bool(select.select([self._screen], [], [], seconds)[0])

    def read(self) -> bytes:
        """Read and return the available output.

        Raises:
            RuntimeError: If the program has closed the terminal.
        """
        try:
            drawn = os.read(self._screen, 1 << 16)
        except OSError as error:  # a terminal fails so when its last user is gone
            raise RuntimeError("the program has ended") from error
        searched = self.tail[-_MAX_MODE_LENGTH:] + drawn
        for numbers, switch in _MODE.findall(searched):
            self.modes.update(dict.fromkeys(map(int, numbers.split(b";")), switch == b"h"))
        self.tail = (self.tail + drawn)[-20_000:]
        return drawn

    def wait_for_end(self, seconds: float = _TIMEOUT) -> int:
        """Read until the program has ended, and return its exit code, negative for a signal.

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

    def wait_for_end_without_reading(self, seconds: float = _TIMEOUT) -> int:
        """Wait until the program has ended, and return its exit code, negative for a signal.

        Raises:
            TimeoutError: If it does not end.
        """
        end = time.monotonic() + seconds
        while not self._has_ended():
            if time.monotonic() > end:
                raise TimeoutError(f"it did not end within {seconds:g} s")
            time.sleep(_POLL)
        assert self._ended is not None
        return self._ended

    def hang_up(self) -> None:
        """Close the terminal while the program runs."""
        os.close(self._screen)
        self._screen = -1

    def close(self) -> None:
        """Kill the program if it still runs, and close the terminal."""
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
            time.sleep(_POLL)  # no more output: the program is about to end
        if self._screen < 0:
            time.sleep(_POLL)


@contextmanager
def running(
    command: list[str],
    size: tuple[int, int] = (120, 36),
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Terminal]:
    """Run a program in a terminal of its own."""
    terminal = Terminal(command, size, environment)
    try:
        yield terminal
    finally:
        terminal.close()


def _set_size(terminal: int, size: tuple[int, int]) -> None:
    columns, lines = size
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
