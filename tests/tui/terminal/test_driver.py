"""The dashboard in terminals that stop, hang, go away, or know little; each a real one."""

from __future__ import annotations

import os
import pty
import select
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fuseboard_tui.app import FuseboardApp
from tests.core.clock import ManualClock
from tests.terminal import Terminal, running, text_of
from tests.tui.cli.test_main import COMMAND, QUICK, run
from tests.tui.fake_source import FakeSource, running_snapshot

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="knows Linux's terminals only"),
]

DASHBOARD = [*COMMAND, "--simulate", "--metrics-port", "0"]
SCREEN_MODE = 1049  # the terminal shows its second screen
PANELS = [b"Breakers", b"State, last 5 min", b"Transitions", b"Faults", b"quit"]
"""What is on the board, from top to bottom."""
BIG = (300, 90)


@pytest.fixture
def recording(tmp_path: Path) -> str:
    path = str(tmp_path / "run")
    assert run(*QUICK, "--duration", "0.2", "--record", path).returncode == 0
    return path


def started(terminal: Terminal) -> None:
    terminal.wait_for(b"success")


# A terminal that cannot draw


@pytest.mark.parametrize("kind", ["dumb", "unknown", "DUMB"])
def test_a_terminal_that_cannot_draw_is_refused(kind: str, recording: str) -> None:
    for command in (DASHBOARD, [*COMMAND, "replay", recording]):
        with running(command, environment={"TERM": kind}) as terminal:
            assert terminal.wait_for_end() == 2
            assert SCREEN_MODE not in terminal.modes
            said = text_of(terminal.tail)
        assert said.startswith(f"fuseboard: TERM is {kind}: nothing can be drawn")
        assert "set TERM=xterm-256color" in said


@pytest.mark.parametrize("kind", ["xterm", "screen", "tmux-256color", "linux", "vt100"])
def test_other_terminals_are_drawn_on(kind: str) -> None:
    with running(DASHBOARD, environment={"TERM": kind}) as terminal:
        started(terminal)
        terminal.press(b"q")
        assert terminal.wait_for_end() == 0


# A terminal without UTF-8


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "POSIX"},
        {"LC_ALL": "C"},
        {"LANG": "C"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "POSIX"},
    ],
    ids=str,
)
def test_without_utf_8_it_is_drawn_in_ascii(environment: dict[str, str]) -> None:
    with running(DASHBOARD, environment={"LC_ALL": "", "LC_CTYPE": "", **environment}) as terminal:
        terminal.wait_for(b"drawn in ascii, as the locale says; LANG=C.UTF-8 draws")
        started(terminal)
        drawn = terminal.tail + terminal.watch(0.5)
        assert b"+" in drawn
        assert drawn.isascii()
        assert b"\\u" not in drawn
        terminal.press(b"q")
        assert terminal.wait_for_end() == 0


def test_utf_8_can_be_insisted_on() -> None:
    with running(DASHBOARD, environment={"LC_ALL": "POSIX", "PYTHONUTF8": "1"}) as terminal:
        terminal.wait_for("╭".encode())
        terminal.press(b"q")
        assert terminal.wait_for_end() == 0


# Bytes that are no keys


def test_bytes_that_are_no_utf_8_are_ignored() -> None:
    with running(DASHBOARD) as terminal:
        started(terminal)
        for bytes_of_another_encoding in (b"\xe9", b"\xff\xfe", b"\xc3(", bytes(range(128, 256))):
            terminal.press(bytes_of_another_encoding)
            terminal.watch(0.1)
        terminal.press(b"?")
        terminal.wait_for(b"the oldest that is remembered")
        terminal.press(b"\x1b")
        terminal.watch(0.3)
        terminal.press(b"q")
        assert terminal.wait_for_end() == 0
        assert b"Traceback" not in terminal.tail


# A terminal that does not read


def choke(terminal: Terminal) -> None:
    """Let much be drawn that nobody reads."""
    for size in (BIG, (299, 90)) * 20:
        terminal.resize(size)
        time.sleep(0.05)


def test_it_ends_though_the_terminal_does_not_read() -> None:
    with running(DASHBOARD, BIG) as terminal:
        started(terminal)
        choke(terminal)
        os.kill(terminal.pid, signal.SIGTERM)
        assert terminal.wait_for_end_without_reading() == 128 + signal.SIGTERM


def test_it_can_be_quit_though_the_terminal_does_not_read() -> None:
    with running(DASHBOARD, BIG) as terminal:
        started(terminal)
        choke(terminal)
        terminal.press(b"q")
        assert terminal.wait_for_end_without_reading() == 0


def test_all_is_drawn_anew_once_the_terminal_reads_again() -> None:
    with running(DASHBOARD, BIG) as terminal:
        started(terminal)
        choke(terminal)
        while terminal.has_output(0):  # what was drawn before it did not read
            terminal.read()
        all_is_drawn(terminal)
        terminal.press(b"q")
        assert terminal.wait_for_end() == 0
        assert not terminal.modes[SCREEN_MODE]


# A terminal that goes away


@pytest.mark.parametrize("replayed", [False, True])
def test_it_ends_with_a_terminal_that_sends_no_signal(recording: str, replayed: bool) -> None:
    """The terminal is not its controlling one, as under `setsid`: nobody sends SIGHUP."""
    screen, terminal = pty.openpty()
    command = [*COMMAND, "replay", recording] if replayed else DASHBOARD
    environment = {**os.environ, "TERM": "xterm"}
    with subprocess.Popen(
        command, stdin=terminal, stderr=terminal, env=environment, start_new_session=True
    ) as process:
        os.close(terminal)
        drawn = b""
        while b"success" not in drawn:
            drawn += os.read(screen, 1 << 16)
        os.close(screen)
        assert process.wait(timeout=20) == 128 + signal.SIGHUP


def test_it_ends_with_its_terminal_though_sighup_is_ignored() -> None:
    script = f"trap '' HUP; exec {shlex.join(DASHBOARD)}"
    with running(["/bin/sh", "-c", script]) as terminal:
        started(terminal)
        terminal.hang_up()
        assert terminal.wait_for_end() == 128 + signal.SIGHUP


def test_it_ends_with_a_terminal_that_did_not_read() -> None:
    with running(DASHBOARD, BIG) as terminal:
        started(terminal)
        choke(terminal)
        terminal.hang_up()
        assert terminal.wait_for_end() == 128 + signal.SIGHUP


def test_it_ends_with_a_terminal_that_goes_away_while_it_starts() -> None:
    with running(DASHBOARD) as terminal:
        terminal.wait_for("starting…".encode())
        terminal.hang_up()
        assert terminal.wait_for_end() in (128 + signal.SIGHUP, -signal.SIGHUP)


# Stop and go on

JOB = "set -m; {} ; echo STOPPED; read; fg; echo ENDED $?"


def stopped_job(terminal: Terminal) -> None:
    terminal.wait_for(b"STOPPED")
    assert not terminal.modes[SCREEN_MODE]


def all_is_drawn(terminal: Terminal) -> None:
    drawn = b""
    ends = time.monotonic() + 20
    while not all(panel in drawn for panel in PANELS):
        missing = [panel for panel in PANELS if panel not in drawn]
        assert time.monotonic() < ends, f"{missing}, modes {terminal.modes}: {text_of(drawn)}"
        if terminal.has_output(1):
            drawn += terminal.read()
    assert terminal.modes[SCREEN_MODE]


def job_of(terminal: Terminal) -> int:
    """Return the process that the shell in a terminal has started."""
    children = Path(f"/proc/{terminal.pid}/task/{terminal.pid}/children").read_text()
    (child,) = map(int, children.split())
    return child


@pytest.mark.parametrize("how", ["ctrl+z", "TSTP", "STOP"])
def test_it_stops_and_goes_on_like_other_programs(how: str) -> None:
    script = JOB.format(shlex.join(DASHBOARD))
    with running(["/bin/bash", "-c", script]) as terminal:
        started(terminal)
        before = terminal.attributes()
        if how == "ctrl+z":
            terminal.press(b"\x1a")
            stopped_job(terminal)
        elif how == "TSTP":
            os.kill(job_of(terminal), signal.SIGTSTP)
            stopped_job(terminal)
        else:
            os.kill(job_of(terminal), signal.SIGSTOP)
            terminal.wait_for(b"STOPPED")
        terminal.press(b"\n")
        all_is_drawn(terminal)
        assert terminal.attributes() == before, "the keys are its own again"
        terminal.press(b"q")
        terminal.wait_for(b"ENDED 0")
        assert not terminal.modes[SCREEN_MODE]


def test_it_ends_with_its_terminal_though_it_is_stopped() -> None:
    with running(["/bin/bash", "-c", JOB.format(shlex.join(DASHBOARD))]) as terminal:
        started(terminal)
        terminal.press(b"\x1a")
        stopped_job(terminal)
        job = os.pidfd_open(job_of(terminal))
        terminal.hang_up()
        ended, _, _ = select.select([job], [], [], 20)
        os.close(job)
        assert ended


def test_where_nobody_could_go_on_it_does_not_stop() -> None:
    """It is the leader of its session, as in a window of its own."""
    with running(DASHBOARD) as terminal:
        started(terminal)
        for key in (True, False):
            if key:
                terminal.press(b"\x1a")
            else:
                os.kill(terminal.pid, signal.SIGTSTP)
            terminal.wait_for(b"\x1b[?1049l")
            all_is_drawn(terminal)
        terminal.press(b"q")
        assert terminal.wait_for_end() == 0


def test_a_stop_without_notice_leaves_the_terminal_as_it_was_at_the_end() -> None:
    with running(DASHBOARD) as terminal:
        before = terminal.attributes()
        started(terminal)
        for _ in range(3):
            os.kill(terminal.pid, signal.SIGSTOP)
            os.waitid(os.P_PID, terminal.pid, os.WSTOPPED | os.WEXITED)
            os.kill(terminal.pid, signal.SIGCONT)
            all_is_drawn(terminal)
        terminal.press(b"q")
        assert terminal.wait_for_end() == 0
        assert terminal.attributes() == before


async def test_where_there_are_no_jobs_ctrl_z_says_why_it_does_nothing() -> None:
    app = FuseboardApp(FakeSource(running_snapshot()), clock=ManualClock())
    async with app.run_test() as pilot:
        await pilot.press("ctrl+z")
        messages = [note.message for note in app._notifications]
    assert messages == ["there are no stopped jobs here: Ctrl+Z does nothing"]
