"""Attacks in every text that comes from outside, and what of them reaches a real terminal.

The texts of a snapshot are found in its types: see `tests.every_field`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import pytest

from fuseboard.recording.recorder import encode_line
from fuseboard.snapshot.codec import to_builtins
from fuseboard.snapshot.snapshot import Snapshot
from fuseboard_tui.cli.main import main
from fuseboard_tui.cli.run_options import run_options, screen_options
from tests.every_field import MARK, filled, hostile, raw_attacks
from tests.terminal import Terminal, running

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="knows Linux's terminals only")

COMMAND = [sys.executable, "-m", "fuseboard_tui"]
OPTIONS = [each for each in [*run_options(), *screen_options()] if isinstance(each, click.Option)]
ESCAPE = b"\x1b"
_SECONDS_OF_A_KEY = 0.3  # in which it draws what it draws; a board redraws four times a second


def drawn_by(terminal: Terminal, *keys: bytes) -> bytes:
    """Press keys, and return the output."""
    drawn = b""
    for key in keys:
        terminal.press(key)
        drawn += terminal.watch(_SECONDS_OF_A_KEY)
    return drawn


def until_it_ends(command: Sequence[str]) -> tuple[bytes, int]:
    """Run a command in a terminal, and return what it wrote and its exit code."""
    written = b""
    with running(list(command)) as terminal:
        try:
            while terminal.has_output(30):
                written += terminal.read()
        except RuntimeError:  # it has ended
            pass
        return written, terminal.wait_for_end()


def recording(path: Path, *lines: bytes) -> Path:
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def hostile_snapshots() -> Iterator[dict[str, Any]]:
    """Yield snapshots whose every text attacks, with each member of each enumeration."""
    for choice in (1, 2, 3, 0, 4, 5):
        snapshot = to_builtins(filled(Snapshot, choice=choice))
        for key, fault in enumerate(snapshot["faults"], 1):
            fault["key"] = str(key)
        snapshot["uptime"] = float(choice)
        yield snapshot


KEYS = [
    *(b"\r", ESCAPE, b"d", ESCAPE, b"s", b"j", b"\r", ESCAPE, ESCAPE, b"l", ESCAPE, b"?", ESCAPE),
    *(b"a", ESCAPE, b"m", b"j", b"\r", ESCAPE, b"/M", ESCAPE, b"y", b"1", b"+", b"o", b"r"),
    *(b"\x10", ESCAPE),
]


@pytest.mark.slow
@pytest.mark.parametrize("size", [(250, 60), (60, 18)])
def test_no_field_of_a_snapshot_reaches_the_terminal_raw(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    values = list(hostile_snapshots())
    lines = [encode_line(None, values[0])]
    lines += [encode_line(before, value) for before, value in pairwise(values)]
    file = recording(tmp_path / "run.jsonl", *lines)
    command = [*COMMAND, "replay", str(file), "--speed", "0.1", "--export-dir", str(tmp_path)]
    drawn = b""
    with running(command, size) as terminal:
        terminal.wait_for(MARK.encode())
        drawn += drawn_by(terminal, b" ", *KEYS, *[b"\x1b[C"] * len(values), *KEYS[:9], b"e", b"x")
        terminal.press(b"q")
        assert terminal.wait_for_end() == 0, terminal.tail[-2000:]
        drawn += terminal.tail
    assert raw_attacks(drawn) == []
    assert MARK.encode() in drawn


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        {"uptime": 2, hostile(): 1},
        {"uptime": 2, "phase": hostile()},
        {"uptime": 2, "problem": {hostile(): 1}},
        {"uptime": 2, "rates": {hostile(): {"p50": hostile()}}},
        {"uptime": 2, "phase": "failed", "problem": hostile(), "version": hostile()},
    ],
    ids=["a field", "a value", "a change", "a key", "a version"],
)
def test_no_message_about_a_recording_reaches_the_terminal_raw(
    tmp_path: Path, line: dict[str, Any]
) -> None:
    first = encode_line(None, next(hostile_snapshots()))
    file = recording(
        tmp_path / f"{MARK}\x1b]52;c;x\x07\u202e.jsonl", first, json.dumps(line).encode()
    )
    written, code = until_it_ends([*COMMAND, "replay", str(file), "--speed", "100"])
    assert raw_attacks(written) == []
    assert code == 2
    assert MARK.encode() in written
    assert b"Traceback" not in written


def toml_text(text: str) -> str:
    """Return a text as a string of TOML, which has no surrogate pairs."""
    return '"' + "".join(f"\\U{ord(character):08x}" for character in text) + '"'


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: str(option.name))
@pytest.mark.parametrize("command", [(), ("serve", "--duration", "0.01")], ids=["board", "serve"])
def test_no_value_of_a_config_reaches_the_terminal_raw(
    tmp_path: Path,
    option: click.Option,
    command: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    monkeypatch.delenv("TEXTUAL_DRIVER", raising=False)
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "config.toml"
    config.write_text(f"{option.opts[0][2:]} = {toml_text(hostile())}\n", encoding="utf-8")
    code = main(["--config", str(config), *command])
    written = b"".join(capfdbinary.readouterr())
    assert raw_attacks(written) == []
    assert code in (0, 2)
    assert b"Traceback" not in written


@pytest.mark.parametrize(
    "text",
    [
        hostile(),
        f"{toml_text(hostile())} = 1",
        f"theme = '{hostile()}'",
        f"model = [[{toml_text(hostile())}]]",
    ],
    ids=["no TOML", "a name", "no string", "a list in a list"],
)
def test_no_text_of_a_config_reaches_the_terminal_raw(
    tmp_path: Path, text: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    assert main(["--config", str(tmp_path / "config.toml")]) == 2
    assert raw_attacks(b"".join(capfdbinary.readouterr())) == []


@pytest.mark.parametrize(
    "line",
    [
        f"{hostile()} cut",
        f"0 {hostile()}",
        f"0 cut:{hostile()}",
        f"0 cut:0.5,{hostile()}",
        f"0 cut:0.5,path={hostile()}",
        f"0 cut:0.5,seconds={hostile()}",
        f"0 cut:0.5,chunks={hostile()}",
        f"0 -{hostile()}",
        f"0 repeat {hostile()}",
    ],
)
def test_no_text_of_a_scenario_reaches_the_terminal_raw(
    tmp_path: Path, line: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    file = tmp_path / f"{MARK}\x1b]52;c;x\x07\u202e.txt"
    file.write_text(line + "\n", encoding="utf-8")
    assert main(["serve", "--simulate", "--scenario", str(file)]) == 2
    written = b"".join(capfdbinary.readouterr())
    assert raw_attacks(written) == []
    assert MARK.encode() in written


@pytest.mark.parametrize(
    "arguments",
    [[hostile()[:40].replace("\x00", "")], ["--traffic", hostile()], [f"--{hostile()}"]],
    ids=["a command", "a value", "an option"],
)
def test_nothing_typed_reaches_the_terminal_raw(
    arguments: list[str], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(arguments) == 2
    written = b"".join(capfdbinary.readouterr())
    assert raw_attacks(written) == []
    assert MARK.encode() in written


class _HostileOllama(BaseHTTPRequestHandler):
    """An Ollama whose every text attacks; every third prompt fails."""

    protocol_version = "HTTP/1.1"
    prompts = 0

    def do_GET(self) -> None:
        text = hostile()
        details = {"family": text, "parameter_size": text, "quantization_level": text}
        model = {"name": text, "model": text, "details": details, "digest": text, "size": 5}
        expires = "2099-01-01T00:00:00Z"
        running = {**model, "expires_at": expires, "size_vram": 1, "context_length": 1}
        models = [running if self.path == "/api/ps" else model]
        self._respond(200, {"models": models, "version": text})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        text = hostile()
        if self.path == "/api/show":
            details = {"family": text, "parameter_size": text, "quantization_level": text}
            self._respond(200, {"capabilities": ["completion", text], "details": details})
            return
        type(self).prompts += 1
        if self.prompts % 3 == 0:
            self._respond(500, {"error": text})
            return
        said = {"model": text, "response": text, "thinking": text, "done_reason": text}
        self._respond(200, {**said, "message": {"role": text, "content": text}, "done": True})

    def _respond(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode() + b"\n"
        self.send_response(status, f"{MARK} \x1b]52;c;x\x07")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def hostile_ollama() -> Iterator[str]:
    """Serve a hostile Ollama, and yield its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _HostileOllama) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.slow
def test_no_model_of_a_server_reaches_the_terminal_raw() -> None:
    with hostile_ollama() as url:
        written, code = until_it_ends([*COMMAND, "serve", "--ollama", url, "--model", "nope"])
    assert raw_attacks(written) == []
    assert code == 2
    assert MARK.encode() in written


@pytest.mark.slow
def test_no_text_of_a_server_reaches_the_terminal_raw_from_serve() -> None:
    command = [*COMMAND, "serve", "--metrics-port", "0", "--rate", "50", "--failure-threshold", "1"]
    written = b""
    with hostile_ollama() as url, running([*command, "--ollama", url]) as terminal:
        while b'"transition"' not in written:
            assert terminal.has_output(30)
            written += terminal.read()
        os.kill(terminal.pid, signal.SIGTERM)
        assert terminal.wait_for_end() == 0
        written += terminal.tail
    assert raw_attacks(written) == []
    assert MARK.encode() in written
    # What was escaped is still the name that the server gave.
    (ready,) = {line for line in written.splitlines() if b'"ready"' in line}
    assert json.loads(ready)["model"] == hostile()


@pytest.mark.slow
def test_no_text_of_a_server_reaches_the_terminal_raw_from_the_board() -> None:
    command = [*COMMAND, "--metrics-port", "0", "--rate", "50", "--failure-threshold", "1"]
    with hostile_ollama() as url, running([*command, "--bell", "--ollama", url]) as terminal:
        terminal.wait_for(b"HTTP 500")
        drawn = drawn_after_prompts(terminal)
        terminal.press(b"q")
        assert terminal.wait_for_end() == 0
        drawn += terminal.tail
    assert raw_attacks(drawn) == []
    assert MARK.encode() in drawn


def drawn_after_prompts(terminal: Terminal) -> bytes:
    """Ask, paste an attack, and open the screens; a live board never stops drawing."""
    drawn = b""
    for key in (b"a", b"hello\r", ESCAPE, b"\x1b[200~" + hostile().encode() + b"\x1b[201~"):
        terminal.press(key)
        drawn += terminal.watch(0.5)
    return drawn + drawn_by(terminal, b"\r", ESCAPE, ESCAPE, ESCAPE, *KEYS)
