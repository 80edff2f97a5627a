"""Every key of every screen is in the screen's help and in the documentation."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from inspect import getmembers, isclass
from pathlib import Path

import pytest
from textual.binding import Binding
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from fuseboard.faults.catalogue import CATALOGUE
from fuseboard.recording.replay import Replay
from fuseboard_tui import board as board_package
from fuseboard_tui import screens
from fuseboard_tui.app import FuseboardApp
from fuseboard_tui.board.replay_screen import ReplayScreen
from fuseboard_tui.board.screen import BoardScreen
from fuseboard_tui.screens.ask import AskScreen
from fuseboard_tui.screens.fault_input import FaultInputScreen
from fuseboard_tui.screens.fault_keys import FaultKeysScreen
from fuseboard_tui.screens.help import HelpScreen, key_name
from fuseboard_tui.screens.log import LogScreen
from fuseboard_tui.screens.metrics import MetricsScreen
from fuseboard_tui.screens.searchable_lines import SearchableLinesScreen
from fuseboard_tui.screens.settings import SettingsScreen
from fuseboard_tui.screens.state_diagram import StateDiagramScreen
from fuseboard_tui.screens.transition_detail import TransitionDetailScreen
from tests.core.clock import ManualClock
from tests.tui.board.test_timeline import recording
from tests.tui.fake_source import OPEN, FakeSource, running_snapshot

ScreenKind = type[Screen[None]]

# The keys that lead to a screen from the board, or from the replay's.
OPENED_BY: dict[ScreenKind, list[str]] = {
    BoardScreen: [],
    ReplayScreen: [],
    TransitionDetailScreen: ["enter"],
    StateDiagramScreen: ["d"],
    MetricsScreen: ["m"],
    LogScreen: ["l"],
    AskScreen: ["a"],
    SettingsScreen: ["s"],
}
# These say on their borders how they close; the last two are bases.
WITHOUT_HELP = {HelpScreen, FaultInputScreen, FaultKeysScreen, SearchableLinesScreen}


def screen_classes() -> Iterator[ScreenKind]:
    packages = (board_package, screens)
    names = [
        f"{package.__name__}.{module.name}"
        for package in packages
        for module in pkgutil.iter_modules(package.__path__)
    ]
    for name in names:
        for _, kind in getmembers(importlib.import_module(name), isclass):
            if issubclass(kind, Screen) and kind.__module__ == name:
                yield kind


def bindings(kind: ScreenKind) -> dict[str, Binding]:
    """What each key of a screen does, leaving out what Textual itself binds."""
    bound: dict[str, Binding] = {}
    for parent in reversed(kind.__mro__):
        if parent.__module__.startswith("fuseboard_tui."):
            for binding in vars(parent).get("BINDINGS", ()):
                assert isinstance(binding, Binding)
                bound.update(dict.fromkeys(binding.key.split(","), binding))
    return bound


@asynccontextmanager
async def opened(kind: ScreenKind, *keys: str) -> AsyncIterator[FuseboardApp]:
    """Open a screen, and press keys there."""
    source = FakeSource(running_snapshot(OPEN))
    replay = Replay(recording(running_snapshot(OPEN)), clock=ManualClock())
    app = FuseboardApp(replay if kind is ReplayScreen else source, clock=ManualClock())
    async with app.run_test(size=(120, 60)) as pilot:
        await pilot.press(*OPENED_BY[kind])
        assert type(app.screen) is kind
        await pilot.press(*keys)
        yield app


@asynccontextmanager
async def help_of(kind: ScreenKind) -> AsyncIterator[list[str]]:
    """Open a screen's help with F1, which no line that is typed into takes for itself."""
    async with opened(kind, "f1") as app:
        assert isinstance(app.screen, HelpScreen)
        text = app.screen.query_one("#help Static", Static).render()
        assert isinstance(text, Content)
        yield text.plain.split("\n")


def test_every_screen_is_tested() -> None:
    assert set(screen_classes()) == {*OPENED_BY, *WITHOUT_HELP}


@pytest.mark.parametrize("kind", OPENED_BY, ids=lambda kind: kind.__name__)
async def test_the_help_names_every_key_and_what_it_does(kind: ScreenKind) -> None:
    async with help_of(kind) as lines:
        described = defaultdict(set)
        for line in lines[1 : [*lines, ""].index("")]:
            keys, text = re.fullmatch(r"  ((?:\S+, )*\S+) +(.+)", line).groups()  # type: ignore[union-attr]
            for key in keys.split(", "):
                described[key].add(text)
        for key, binding in bindings(kind).items():
            assert described[key_name(key)] == {binding.tooltip or binding.description}, key


@pytest.mark.parametrize("kind", [BoardScreen, ReplayScreen], ids=lambda kind: kind.__name__)
async def test_the_help_of_the_board_names_every_fault(kind: ScreenKind) -> None:
    async with help_of(kind) as lines:
        for fault in CATALOGUE:
            assert f"{fault.key} {fault.describe(fault.default)}" in [
                " ".join(line.split()) for line in lines
            ]


@pytest.mark.parametrize("kind", OPENED_BY, ids=lambda kind: kind.__name__)
def test_the_documentation_names_every_key(kind: ScreenKind) -> None:
    docs = Path(__file__).parents[3] / "docs"
    pages = [docs / "board.md", docs / "recording.md"]
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    others = {"shift+left": "shift", "shift+right": "shift", "equals_sign": "+"}
    for key, binding in bindings(kind).items():
        named = others.get(key, key_name(key))
        assert f"`{named}`" in text, f"{key} does {binding.description}"


@pytest.mark.parametrize("kind", OPENED_BY, ids=lambda kind: kind.__name__)
async def test_the_palette_offers_what_every_key_does(kind: ScreenKind) -> None:
    async with opened(kind) as app:
        app.screen.set_focus(None)
        offered = {command.help for command in app.get_system_commands(app.screen)}
        for binding in bindings(kind).values():
            if binding.id not in ("quit", "refuse"):
                assert (binding.tooltip or binding.description) in offered, binding.key


def test_the_documentation_names_every_fault() -> None:
    page = (Path(__file__).parents[3] / "docs/faults.md").read_text(encoding="utf-8")
    for fault in CATALOGUE:
        assert f"| `{fault.key}` | `{fault.name}` |" in page
