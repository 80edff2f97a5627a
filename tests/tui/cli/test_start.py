"""How the dashboard starts in a terminal: at once, and with a message where it cannot."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fuseboard.recording.reader import read_recording
from fuseboard.recording.replay import Replay
from fuseboard.server.sockets import bind
from fuseboard_tui.app import FuseboardApp
from fuseboard_tui.board.screen import BoardScreen
from tests.core.clock import ManualClock
from tests.terminal import Terminal, running, text_of
from tests.tui.board.test_timeline import minutes
from tests.tui.cli.test_main import COMMAND, QUICK, run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="knows Linux's terminals only")

DASHBOARD = [*COMMAND, "--simulate", "--metrics-port", "0"]
SCREEN_MODE = 1049  # the terminal shows its second screen


def ended(terminal: Terminal, code: int) -> str:
    """Wait for the end; return what is on the terminal as it was before the screen."""
    assert terminal.wait_for_end() == code
    assert not terminal.modes.get(SCREEN_MODE, False)
    assert b"Traceback" not in terminal.tail
    return text_of(terminal.tail.rpartition(b"\x1b[?1049l")[2])


def test_the_first_frame_says_starting_and_the_board_follows() -> None:
    with running(DASHBOARD) as terminal:
        terminal.wait_for("starting…".encode())
        terminal.wait_for(b"ollama_generate")
        terminal.press(b"q")
        ended(terminal, 0)


@pytest.mark.parametrize("option", ["--metrics-port", "--proxy-port"])
def test_a_taken_port_is_an_error_with_advice(option: str) -> None:
    with bind("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        with running([*DASHBOARD, option, port]) as terminal:
            said = ended(terminal, 2)
    assert f"fuseboard: port {port} on 127.0.0.1 is taken; choose another with" in said
    assert option in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cache-entries", "0", "--warm"], "fuseboard: there is no cache to warm"),
        (["--theme", "pink"], "fuseboard: there is no theme 'pink'"),
        (["--metrics-namespace", "a-b"], "not 'a-b'"),
    ],
)
def test_invalid_options_are_refused_before_the_screen_is_drawn(
    options: list[str], message: str
) -> None:
    with running([*DASHBOARD, *options]) as terminal:
        assert message in ended(terminal, 2)
        assert SCREEN_MODE not in terminal.modes


# Ctrl+C, pressed while the module is being imported.
INTERRUPTED = """
import signal, sys

class Interruption:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Interruption())
from fuseboard_tui.cli.main import main
sys.exit(main(["--simulate", "--metrics-port", "0"]))
"""


@pytest.mark.parametrize(
    "module",
    ["click", "fuseboard_tui.cli.dashboard", "fuseboard.engine.settings", "textual.app"],
)
def test_ctrl_c_before_the_screen_is_drawn_ends_it_quietly(module: str) -> None:
    with running([sys.executable, "-c", INTERRUPTED, module]) as terminal:
        assert ended(terminal, 130).strip() == ""
        assert SCREEN_MODE not in terminal.modes


@pytest.mark.parametrize("key", [b"q", b"\x03"])
def test_it_can_be_quit_while_it_starts(key: bytes) -> None:
    with running(DASHBOARD) as terminal:
        terminal.wait_for("starting…".encode())
        terminal.press(key)
        ended(terminal, 0)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_while_it_starts(ending: signal.Signals) -> None:
    with running(DASHBOARD) as terminal:
        terminal.wait_for("starting…".encode())
        os.kill(terminal.pid, ending)
        terminal.wait_for_end()
        assert not terminal.modes[SCREEN_MODE]


def test_it_records_from_the_start_and_reports_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with running([*DASHBOARD, "--record", str(path)]) as terminal:
        terminal.wait_for(b"ollama_generate")
        terminal.press(b"q")
        assert f"fuseboard: wrote {path}" in ended(terminal, 0)
    assert read_recording(path).seconds


def test_an_existing_recording_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.write_text("mine")
    with running([*DASHBOARD, "--record", str(path)]) as terminal:
        assert "is there already; --force overwrites it" in ended(terminal, 2)
    assert path.read_text() == "mine"


def test_a_replay_takes_a_theme_and_the_bell(tmp_path: Path) -> None:
    path = str(tmp_path / "run")
    assert run(*QUICK, "--duration", "0.2", "--record", path).returncode == 0
    with running([*COMMAND, "replay", path, "--theme", "nord", "--bell"]) as terminal:
        terminal.wait_for(b"REPLAY")
        terminal.wait_for(b"46;52;64")  # the background of that theme, #2E3440
        terminal.press(b"q")
        ended(terminal, 0)
    with running([*COMMAND, "replay", path, "--theme", "pink"]) as terminal:
        assert "fuseboard: there is no theme 'pink'" in ended(terminal, 2)


@pytest.mark.parametrize("replayed", [False, True])
def test_what_was_logged_while_the_screen_was_in_use_is_written_after_it(
    tmp_path: Path, replayed: bool
) -> None:
    path = str(tmp_path / "run")
    command = DASHBOARD
    if replayed:
        assert run(*QUICK, "--duration", "0.2", "--record", path).returncode == 0
        command = [*COMMAND, "replay", path]
    exports = tmp_path / "exports"
    exports.mkdir()
    with running([*command, "--export-dir", str(exports)]) as terminal:
        terminal.wait_for(b"ollama_generate")
        exports.rmdir()
        terminal.press(b"e")
        terminal.wait_for(b"cannot write")
        terminal.press(b"q")
        assert "WARNING fuseboard_tui.board.export: cannot write" in ended(terminal, 0)


async def test_the_bell_rings_in_a_replay_too_if_enabled(monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[str] = []
    monkeypatch.setattr(FuseboardApp, "bell", lambda _: rung.append("bell"))
    for asked in (False, True):
        clock = ManualClock()
        app = FuseboardApp(Replay(minutes(), clock=clock), bell=asked)
        async with app.run_test() as pilot:
            await pilot.pause()
            clock.advance(312)  # past the moment at which a breaker opens
            screen = app.screen
            assert isinstance(screen, BoardScreen)
            screen.take_snapshot()
        assert len(rung) == asked


@pytest.mark.parametrize("arguments", [[], ["serve"], ["replay"], ["export"], ["simulator"]])
def test_help_is_shown_for_every_command(arguments: list[str]) -> None:
    ran = run(*arguments, "--help")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith(" ".join(["Usage: fuseboard", *arguments]))


def test_the_help_names_defaults_faults_and_scenarios() -> None:
    ran = run("serve", "--help")
    words = " ".join(ran.stdout.split())
    for said in (
        "how many consecutive failures trip a breaker (default: 5)",
        "may be repeated: refuse, error500",
        "faults strung over time: outage",
    ):
        assert said in words


@pytest.mark.parametrize("package", ["click", "platformdirs", "textual"])
def test_a_missing_package_is_named_with_what_to_install(package: str) -> None:
    script = (
        f"import sys; sys.modules[{package!r}] = None;"
        "from fuseboard_tui.cli.main import main; sys.exit(main([]))"
    )
    with running([sys.executable, "-c", script]) as terminal:
        said = ended(terminal, 2)
    assert f"fuseboard: {package} is not installed; `pip install 'fuseboard[board]'`" in said


def test_the_entry_point_imports_the_standard_library_only() -> None:
    script = (
        "import sys; before = set(sys.modules); import fuseboard_tui.cli.main;"
        "print(*set(sys.modules) - before)"
    )
    command = [sys.executable, "-c", script]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    roots = {name.partition(".")[0] for name in ran.stdout.split()}
    assert roots - {"fuseboard", "fuseboard_tui"} <= set(sys.stdlib_module_names)
