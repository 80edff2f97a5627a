"""`--record` and `fuseboard replay` as processes."""

from __future__ import annotations

import gzip
import json
import signal
from pathlib import Path

import pytest

from fuseboard.recording.reader import read_recording
from fuseboard.snapshot.snapshot import Phase
from tests.tui.cli.test_main import QUICK, events, next_event, run, started


@pytest.mark.parametrize("name", ["run.jsonl", "run.jsonl.gz"])
def test_serve_records_until_it_ends(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    ran = run(*QUICK, "--duration", "1", "--record", str(path))
    assert (ran.returncode, ran.stderr) == (0, f"fuseboard: wrote {path}\n")
    recording = read_recording(path)
    assert not recording.cut_off
    last = recording.snapshot(len(recording.seconds) - 1)
    assert last.phase is Phase.RUNNING
    told = {breaker["name"]: breaker for breaker in events(ran.stdout)[-1]["breakers"]}
    assert {breaker.name for breaker in last.breakers} == set(told)
    for breaker in last.breakers:
        assert 0 <= breaker.calls.success <= told[breaker.name]["calls"]["success"]


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_recording_with_a_whole_line(
    tmp_path: Path, ending: signal.Signals
) -> None:
    path = tmp_path / "run.jsonl.gz"
    with started(*QUICK, "--record", str(path)) as process:
        next_event(process, "ready")
        process.send_signal(ending)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, f"fuseboard: wrote {path}\n")
    assert gzip.decompress(path.read_bytes()).endswith(b"}\n")


def test_a_file_is_overwritten_only_by_force(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text("mine")
    ran = run(*QUICK, "--duration", "0.2", "--record", str(path))
    said = f"fuseboard: {path} is there already; --force overwrites it\n"
    assert (ran.returncode, ran.stdout, ran.stderr) == (2, "", said)
    assert path.read_text() == "mine"
    assert run(*QUICK, "--duration", "0.2", "--record", str(path), "--force").returncode == 0
    assert read_recording(path).seconds


@pytest.mark.slow
def test_a_full_disk_is_reported_and_serve_goes_on(tmp_path: Path) -> None:
    (tmp_path / "full").symlink_to("/dev/full")
    path = str(tmp_path / "full")
    ran = run(*QUICK, "--duration", "3", "--record", path, "--force")
    assert ran.stderr == f"recording to {path} has ended: No space left on device\n"
    assert (ran.returncode, events(ran.stdout)[-1]["event"]) == (0, "summary")


def test_a_port_that_is_taken_leaves_no_file(tmp_path: Path) -> None:
    with started(*QUICK) as process:
        port = next_event(process, "ready")["metrics_url"].rpartition(":")[2].partition("/")[0]
        path = tmp_path / "run"
        ran = run("serve", "--simulate", "--metrics-port", port, "--record", str(path))
    assert "is taken" in ran.stderr
    assert not path.exists()


@pytest.mark.parametrize(
    ("content", "arguments", "said"),
    [
        ("# Notes\n", [], "notes, line 1: this is no JSON"),
        ("", [], "notes is no recording: there is no whole line in it"),
        (json.dumps({"event": "ready"}) + "\n", [], "line 1: this is no snapshot"),
        ("", ["--speed", "0"], "'0' is not a number above 0"),
        ("", ["--simulate"], "unrecognized arguments: --simulate"),
        (None, [], "notes: No such file or directory"),
    ],
)
def test_an_invalid_replay_is_refused(
    tmp_path: Path, content: str | None, arguments: list[str], said: str
) -> None:
    path = tmp_path / "notes"
    if content is not None:
        path.write_text(content)
    ran = run("replay", str(path), *arguments)
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
    assert (ran.returncode, ran.stdout) == (2, "")


def test_a_replay_needs_a_terminal(tmp_path: Path) -> None:
    path = str(tmp_path / "run")
    assert run(*QUICK, "--duration", "0.2", "--record", path).returncode == 0
    ran = run("replay", path)
    assert (ran.returncode, ran.stderr) == (2, "fuseboard: there is no terminal to draw on\n")
