"""Ctrl+C in a terminal, at any moment of a run: it ends, and leaves nothing behind."""

from __future__ import annotations

import sys
from contextlib import suppress

import pytest

from tests.terminal import Terminal, running, text_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="knows Linux's terminals only"),
]

# What happens before that is the interpreter's.
SCRIPT = """
import sys

class Beginning:
    def find_spec(self, name, path=None, target=None):
        if name == "fuseboard_tui.cli.command_line":
            print("begun", file=sys.stderr, flush=True)

sys.meta_path.insert(0, Beginning())
from fuseboard_tui.cli.main import main
sys.exit(main())
"""
COMMAND = [sys.executable, "-c", SCRIPT]
DASHBOARD = [*COMMAND, "--simulate", "--metrics-port", "0"]
SERVE = [*COMMAND, "serve", "--simulate", "--metrics-port", "0", "--duration", "1"]
INTERRUPTED = 130
KILLED = -2  # after the last line of the program, where nothing is left to be said


def is_clean(terminal: Terminal, before: list[object]) -> None:
    assert terminal.wait_for_end() in (0, INTERRUPTED, KILLED)
    last = text_of(terminal.tail.rpartition(b"\x1b[?1049l")[2])
    assert "Traceback" not in last
    assert "Exception" not in last
    assert terminal.attributes() == before
    assert not any(terminal.modes.get(mode) for mode in (1049, 1000, 1003, 2004))


def interrupt(terminal: Terminal, seconds: float) -> None:
    """Press Ctrl+C after so many seconds, if the program still runs then."""
    with suppress(RuntimeError, OSError):
        terminal.watch(seconds)
        terminal.press(b"\x03")


@pytest.mark.parametrize("tenths", range(0, 24, 3))
@pytest.mark.parametrize("command", [DASHBOARD, SERVE], ids=["dashboard", "serve"])
def test_at_any_moment(command: list[str], tenths: int) -> None:
    with running(command) as terminal:
        before = terminal.attributes()
        terminal.wait_for(b"begun")
        interrupt(terminal, tenths / 10)
        is_clean(terminal, before)


@pytest.mark.parametrize("tenths", range(8))
def test_while_it_ends(tenths: int) -> None:
    with running(DASHBOARD) as terminal:
        before = terminal.attributes()
        terminal.wait_for(b"success")
        terminal.press(b"q")
        interrupt(terminal, tenths / 10)
        is_clean(terminal, before)
