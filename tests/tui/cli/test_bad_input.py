"""What is typed wrong or cannot be is told in a sentence; a bug of ours is told as one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
import pytest

from fuseboard.engine.engine import Engine
from fuseboard_tui.app import FuseboardApp
from fuseboard_tui.cli import command_line
from fuseboard_tui.cli.main import main
from fuseboard_tui.cli.run_options import run_options
from tests.terminal import running
from tests.tui.cli.test_main import COMMAND, QUICK, next_event, run, started
from tests.tui.fake_source import FakeSource

NUMBERS = ["0", "-1", "1e308", "1e-308", "nan", "inf", "9" * 18, "9" * 5000, "1e99999", "0.5", ""]
OPTIONS = [each for each in run_options() if isinstance(each, click.Option) and not each.is_flag]


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: str(option.name))
def test_no_number_ends_the_program_with_a_traceback(
    option: click.Option,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    # So that an option that is accepted starts nothing.
    monkeypatch.setattr(Engine, "start", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    for number in NUMBERS:
        arguments = ["serve", "--simulate", f"{option.opts[0]}={number}"]
        if option.name == "ollama":
            arguments.remove("--simulate")
        assert main(arguments) in (2, 130), number
        written = "".join(capfd.readouterr())
        assert "Traceback" not in written
        assert len(written) < 7000


@pytest.mark.parametrize(
    "text",
    ["a = " + "[" * 5000, "a = " + "{b=" * 5000, "a" + ".a" * 5000 + "=1"],
    ids=["lists", "tables", "names"],
)
def test_a_config_that_is_nested_deeply_is_an_error(
    text: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.toml").write_text(text)
    assert main(["--config", str(tmp_path / "x.toml"), "serve"]) == 2
    said = capfd.readouterr().err
    assert "x.toml" in said
    assert len(said) < 500


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x" * 1_000_001, "more than 1,000,000 bytes: it is no config file"),
        ("rate = 1" + "0" * 5000, "is not TOML"),
        ('model = "a\\u0000b"', "model has a NUL in it"),
    ],
    ids=["size", "digits", "NUL"],
)
def test_an_odd_config_is_an_error(
    text: str, said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.toml").write_text(text)
    assert main(["--config", str(tmp_path / "x.toml"), "serve"]) == 2
    assert said in capfd.readouterr().err


@pytest.mark.parametrize("text", ['theme = "{}"', 'traffic = "{}"', "{} = 1", 'rate = "{}"'])
def test_no_message_repeats_a_long_text(
    text: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.toml").write_text(text.format("x" * 900_000))
    assert main(["--config", str(tmp_path / "x.toml")]) == 2
    assert len(capfd.readouterr().err) < 3000


@pytest.mark.parametrize("option", ["--prompts", "--warm", "--scenario"])
def test_a_file_without_end_is_an_error(option: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--simulate", f"{option}=/dev/zero"]) == 2
    assert "in /dev/zero: it exceeds 10,000,000 bytes" in capfd.readouterr().err


def test_a_config_without_end_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", "/dev/zero", "serve"]) == 2
    assert "it is no config file" in capfd.readouterr().err


@pytest.mark.parametrize("option", ["--model", "--embedding-model"])
def test_a_name_that_no_model_of_the_simulator_can_have_is_an_error(option: str) -> None:
    ended = run(*QUICK, option, "bad name")
    assert ended.returncode == 2
    assert ended.stderr == "fuseboard: 'bad name' is no name of a model, as llama3.2:1b is\n"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none", "it is not there; create it first"),
        ("file", "it is no directory"),
        ("x" * 300, "File name too long"),
    ],
)
def test_a_directory_of_exports_is_checked_at_the_start(
    name: str, said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    directory = str(tmp_path / name)
    assert main(["--simulate", "--export-dir", directory]) == 2
    assert capfd.readouterr().err == f"fuseboard: cannot export to {directory}: {said}\n"


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="may write everywhere")
def test_a_directory_that_cannot_be_written_is_told_at_the_start(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tmp_path.chmod(0o500)
    assert main(["--simulate", "--export-dir", str(tmp_path)]) == 2
    assert "nothing can be written there" in capfd.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="knows Linux's terminals only")
def test_a_pipe_to_record_into_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    ended = run(*QUICK, "--record", str(tmp_path / "pipe"), "--force")
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert ended.stderr.endswith("pipe: it is no file\n")


def test_a_file_that_was_deleted_meanwhile_was_not_written(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with started(*QUICK, "--record", str(path)) as process:
        next_event(process, "ready")
        path.unlink()
        process.terminate()
        _, errors = process.communicate(timeout=20)
    assert "wrote" not in errors
    assert errors.count(f"recording to {path} has ended: the file was deleted") == 1


def test_a_bug_is_no_message_for_the_user(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> dict[str, object]:
        raise ValueError("not enough values to unpack")

    monkeypatch.setattr(command_line, "read_config", broken)
    assert main(["serve"]) == 1
    said = capfd.readouterr().err
    assert said.startswith("Traceback")
    assert "ValueError: not enough values to unpack" in said


async def test_a_crash_of_the_board_shows_no_local_variables(
    capfd: pytest.CaptureFixture[str],
) -> None:
    class Broken(FakeSource):
        def snapshot(self) -> object:  # type: ignore[override]
            password = "s3cr" + "3t"
            raise LookupError(f"\x1b]52;c;x\x07{len(password)}")

    app = FuseboardApp(Broken())  # type: ignore[arg-type]
    with pytest.raises(LookupError):
        async with app.run_test():
            pass
    said = "".join(capfd.readouterr())
    assert "LookupError" in said
    assert "s3cr3t" not in said


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="knows Linux's terminals only")
def test_the_board_is_drawn_where_the_terminal_is(tmp_path: Path) -> None:
    errors = tmp_path / "err.log"
    command = [*COMMAND, "--simulate", "--metrics-port", "0", "--record", str(tmp_path / "run")]
    with running(["/bin/sh", "-c", 'exec "$@" 2>"$0"', str(errors), *command]) as terminal:
        terminal.wait_for(b"ollama_generate")
        terminal.press(b"q")
        assert terminal.wait_for_end() == 0
    assert errors.read_text() == f"fuseboard: wrote {tmp_path / 'run'}\n"
