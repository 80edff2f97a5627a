"""The config file, and the theme that is remembered."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fuseboard.engine.settings import EngineSettings
from fuseboard_tui import remembered_theme, themes
from fuseboard_tui.app import FuseboardApp
from fuseboard_tui.cli import dashboard, serve
from fuseboard_tui.cli.config_file import usual_place
from fuseboard_tui.cli.main import main
from fuseboard_tui.cli.run_options import engine_settings
from tests.core.clock import ManualClock
from tests.tui.fake_source import FakeSource, running_snapshot


class Called:
    """The command, which stores its options instead of running."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.options: dict[str, Any] = {}
        monkeypatch.setattr(dashboard, "show_dashboard", self._run)
        monkeypatch.setattr(serve, "serve_with", self._run)

    def __call__(self, *typed: str) -> EngineSettings:
        if code := main(list(typed)):
            raise SystemExit(code)
        return engine_settings(self.options)

    def _run(self, options: Mapping[str, Any], *_: object) -> int:
        self.options = dict(options)
        return 0


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> Called:
    return Called(monkeypatch)


def written(tmp_path: Path, text: str) -> tuple[str, str]:
    """Write a config file; return the option that names it."""
    file = tmp_path / "mine.toml"
    file.write_text(text, encoding="utf-8")
    return "--config", str(file)


def test_typed_options_override_those_of_the_file(tmp_path: Path, called: Called) -> None:
    text = 'rate = 2\nmodel = "mine"\nsimulate = true\nfault = ["cut:0.5"]\ntheme = "nord"\n'
    settings = called(*written(tmp_path, text), "--rate", "7", "--fault", "stall")
    assert (settings.rate, settings.model, settings.simulate) == (7.0, "mine", True)
    assert [name for name, _ in settings.faults] == ["cut", "stall"]
    assert called.options["theme"] == "nord"


def test_the_file_applies_to_commands_too(tmp_path: Path, called: Called) -> None:
    assert called(*written(tmp_path, "rate = 2"), "serve", "--duration", "5").rate == 2.0


def test_faults_of_the_file_and_the_command_line_are_combined(
    tmp_path: Path, called: Called
) -> None:
    named = written(tmp_path, 'fault = ["cut"]')
    settings = called(*named, "--fault", "stall", "serve", "--fault", "refuse")
    assert [name for name, _ in settings.faults] == ["cut", "stall", "refuse"]


def test_options_after_the_command_override_those_before_it(called: Called) -> None:
    settings = called("--rate", "2", "--model", "mine", "serve", "--rate", "3")
    assert (settings.rate, settings.model) == (3.0, "mine")


@pytest.mark.parametrize(
    ("in_file", "typed", "simulates"),
    [
        ("simulate = true", ["--ollama", "http://host:1"], False),
        ('ollama = "http://host:1"', ["--simulate"], True),
    ],
)
def test_a_typed_option_overrides_its_alternative_in_the_file(
    tmp_path: Path, called: Called, in_file: str, typed: list[str], simulates: bool
) -> None:
    settings = called(*written(tmp_path, in_file), *typed)
    assert settings.simulate is simulates
    assert settings.ollama == (None if simulates else "http://host:1")


def test_the_usual_place_is_read_if_no_file_is_named(called: Called) -> None:
    assert called().rate is None
    usual_place().parent.mkdir(parents=True)
    usual_place().write_text("rate = 3", encoding="utf-8")
    assert called().rate == 3.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rate = 0", "mine.toml: rate: '0' is not a number above 0"),
        ("speed = 1", "mine.toml: there is no option 'speed'; `fuseboard --help` lists them"),
        ("rate = [", "mine.toml is not TOML: "),
        ("[rate]\nis = 1", "mine.toml: rate is no text, number, true or false, or list of them"),
        ('fault = ["fire"]', "mine.toml: fault: there is no fault 'fire'"),
        ('simulate = true\nollama = "http://h"', "mine.toml: ollama: not allowed with"),
    ],
)
def test_an_invalid_file_is_an_error(
    tmp_path: Path, called: Called, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    with pytest.raises(SystemExit) as exit_:
        called(*written(tmp_path, text))
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err


def test_a_named_file_must_exist(called: Called, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        called("--config", "nowhere.toml")
    assert exit_.value.code == 2
    assert "there is no file 'nowhere.toml'" in capsys.readouterr().err


async def test_the_theme_that_is_chosen_is_remembered() -> None:
    assert remembered_theme.recall() == themes.DEFAULT
    app = FuseboardApp(
        FakeSource(running_snapshot()), on_theme=remembered_theme.remember, clock=ManualClock()
    )
    async with app.run_test() as pilot:
        app.theme = "okabe-ito-dark"
        await pilot.pause()
    assert remembered_theme.recall() == "okabe-ito-dark"
    remembered_theme.remember("gone")
    assert remembered_theme.recall() == themes.DEFAULT
