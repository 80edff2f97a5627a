"""`fuseboard export`: what it writes, where, and what it refuses."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from fuseboard.metrics.export.documents import ALERT_TESTS, ALERTS, GRAFANA, PROMETHEUS, document
from tests.tui.cli.test_main import COMMAND, run


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["grafana"], document(GRAFANA)),
        (["grafana", "--namespace", "mine"], document(GRAFANA, namespace="mine")),
        (["alerts"], document(ALERTS)),
        (["alerts", "--tests"], document(ALERT_TESTS)),
        (["alerts", "--tests", "--rule-file", "x.yml"], document(ALERT_TESTS, rule_file="x.yml")),
        (["prometheus"], document(PROMETHEUS)),
        (
            ["prometheus", "--target", "app:1", "--rule-file", "x.yml"],
            document(PROMETHEUS, target="app:1", rule_file="x.yml"),
        ),
    ],
)
def test_a_document_is_written_to_stdout(arguments: list[str], expected: str) -> None:
    ran = run("export", *arguments)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, expected, "")


def test_works_with_metrics_off() -> None:
    ran = subprocess.run(
        [*COMMAND, "export", "grafana"],
        env={**os.environ, "METRICS_ENABLED": "0"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, document(GRAFANA), "")


@pytest.mark.parametrize("option", ["-o", "--output"])
def test_a_file_is_written_and_its_name_reported(option: str, tmp_path: Path) -> None:
    file = tmp_path / "board.json"
    ran = run("export", "grafana", option, str(file))
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", f"fuseboard: wrote {file}\n")
    assert file.read_text() == document(GRAFANA)


def test_a_file_is_overwritten_only_by_force(tmp_path: Path) -> None:
    file = tmp_path / "alerts.yml"
    file.write_text("mine")
    ran = run("export", "alerts", "-o", str(file))
    said = f"fuseboard: {file} is there already; --force overwrites it\n"
    assert (ran.returncode, ran.stdout, ran.stderr) == (2, "", said)
    assert file.read_text() == "mine"
    assert run("export", "alerts", "-o", str(file), "--force").returncode == 0
    assert file.read_text() == document(ALERTS)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the following arguments are required: DOCUMENT"),
        (["nagios"], "invalid choice: 'nagios'"),
        (["grafana", "--namespace", "a-b"], "not 'a-b'"),
        (["prometheus", "--target", "app"], "'app' is not a target, as in 127.0.0.1:9464"),
        (["grafana", "--target", "app:1"], "unrecognized arguments: --target"),
        (["grafana", "-o", "no/such/folder/x"], "cannot write no/such/folder/x: No such file"),
        (["grafana", "-o", "/", "--force"], "cannot write /: Is a directory"),
    ],
)
def test_errors_are_reported(arguments: list[str], said: str) -> None:
    ran = run("export", *arguments)
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
    assert (ran.returncode, ran.stdout) == (2, "")


def test_a_full_disk_is_an_error() -> None:
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [*COMMAND, "export", "grafana"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    said = "fuseboard: cannot write stdout: No space left on device\n"
    assert (ran.returncode, ran.stderr) == (2, said)
