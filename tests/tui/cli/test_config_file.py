"""The config file, and the theme that is remembered."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuseboard_tui import remembered_theme, themes
from fuseboard_tui.app import FuseboardApp
from fuseboard_tui.cli import options
from fuseboard_tui.cli.config_file import usual_place
from tests.core.clock import ManualClock
from tests.tui.fake_source import FakeSource, board


def configured(tmp_path: Path, text: str, *typed: str) -> object:
    file = tmp_path / "mine.toml"
    file.write_text(text, encoding="utf-8")
    return options.parse(["--config", str(file), *typed])


def test_options_come_from_the_file_and_what_is_typed_goes_before(tmp_path: Path) -> None:
    text = 'rate = 2\nmodel = "mine"\nsimulate = true\nfault = ["cut:0.5"]\ntheme = "nord"\n'
    seen = configured(tmp_path, text, "--rate", "7", "--fault", "stall")
    settings = options.engine_settings(seen)  # type: ignore[arg-type]
    assert (settings.rate, settings.model, settings.simulate) == (7.0, "mine", True)
    assert [name for name, _ in settings.faults] == ["cut", "stall"]
    assert seen.theme == "nord"  # type: ignore[attr-defined]


def test_the_file_holds_for_commands_too(tmp_path: Path) -> None:
    seen = configured(tmp_path, "rate = 2", "serve", "--duration", "5")
    assert options.engine_settings(seen).rate == 2.0  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("written", "typed", "simulates"),
    [
        ("simulate = true", ["--ollama", "http://host:1"], False),
        ('ollama = "http://host:1"', ["--simulate"], True),
    ],
)
def test_of_two_that_exclude_each_other_the_typed_one_wins(
    tmp_path: Path, written: str, typed: list[str], simulates: bool
) -> None:
    settings = options.engine_settings(configured(tmp_path, written, *typed))  # type: ignore[arg-type]
    assert settings.simulate is simulates
    assert settings.ollama == (None if simulates else "http://host:1")


def test_the_usual_place_is_read_where_no_file_is_named() -> None:
    assert options.engine_settings(options.parse([])).rate is None
    usual_place().parent.mkdir(parents=True)
    usual_place().write_text("rate = 3", encoding="utf-8")
    assert options.engine_settings(options.parse([])).rate == 3.0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rate = 0", "mine.toml: rate: '0' is not a number above 0"),
        ("speed = 1", "mine.toml: there is no option 'speed'; `fuseboard --help` lists them"),
        ("rate = [", "mine.toml is not TOML: "),
        ("[rate]\nis = 1", "mine.toml: rate is no text, number, true or false, or list of them"),
        ('fault = ["fire"]', "mine.toml: fault: there is no fault 'fire'"),
        ('simulate = true\nollama = "http://h"', "mine.toml: ollama: not allowed with"),
    ],
)
def test_what_makes_no_sense_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    with pytest.raises(SystemExit) as exit_:
        configured(tmp_path, text)
    assert exit_.value.code == 2
    assert words in capsys.readouterr().err


def test_a_named_file_must_be_there(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        options.parse(["--config", "nowhere.toml"])
    assert exit_.value.code == 2
    assert "there is no file 'nowhere.toml'" in capsys.readouterr().err


async def test_the_theme_that_is_chosen_is_remembered() -> None:
    assert remembered_theme.recall() == themes.DEFAULT
    app = FuseboardApp(FakeSource(board()), on_theme=remembered_theme.remember, clock=ManualClock())
    async with app.run_test() as pilot:
        app.theme = "okabe-ito-dark"
        await pilot.pause()
    assert remembered_theme.recall() == "okabe-ito-dark"
    remembered_theme.remember("gone")
    assert remembered_theme.recall() == themes.DEFAULT
