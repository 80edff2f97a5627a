"""Every key and every click does what the help says."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from msgspec import structs
from rich.cells import cell_len
from textual._callback import invoke
from textual.pilot import Pilot
from textual.widgets._footer import FooterKey

from fuseboard.breaker.state import State
from fuseboard.engine.commands import (
    ClearFaults,
    Command,
    DisableBreaker,
    PlayScenario,
    ResetBreaker,
    RunTraffic,
    SetFault,
    SetRate,
    TripBreaker,
)
from fuseboard.faults.catalogue import BY_NAME, CATALOGUE, Fault
from fuseboard.faults.scenarios.scenario import find_scenario
from fuseboard.snapshot.snapshot import Phase, Snapshot, TargetSnapshot, WarmingSnapshot
from fuseboard_tui.app import FuseboardApp
from fuseboard_tui.board.screen import BoardScreen
from fuseboard_tui.screens.help import HelpScreen
from fuseboard_tui.widgets.breaker_list import BreakerList
from fuseboard_tui.widgets.breaker_panel import BreakerPanel
from fuseboard_tui.widgets.fault_list import FaultList
from fuseboard_tui.widgets.header_line import HeaderLine
from fuseboard_tui.widgets.lines import LinesWidget
from fuseboard_tui.widgets.notice_line import NoticeLine
from fuseboard_tui.widgets.transition_list import TransitionList
from tests.core.clock import ManualClock
from tests.tui.fake_source import NOW, OPEN, FakeSource, breaker, running_snapshot, transition

Kind = type[LinesWidget]


class RunningBoard:
    """A running app and its source."""

    def __init__(self, app: FuseboardApp, pilot: Pilot[str], source: FakeSource) -> None:
        self.app = app
        self.pilot = pilot
        self.source = source

    def text(self, kind: Kind) -> str:
        return str(self.app.screen_stack[0].query_one(kind).render())

    async def show(self, snapshot: Snapshot) -> None:
        self.source.current = snapshot
        screen = self.app.screen_stack[0]
        assert isinstance(screen, BoardScreen)
        screen.take_snapshot()
        await self.pilot.pause()


@asynccontextmanager
async def running_board(
    snapshot: Snapshot | None = None, size: tuple[int, int] = (120, 36)
) -> AsyncIterator[RunningBoard]:
    source = FakeSource(snapshot)
    app = FuseboardApp(source, clock=ManualClock())
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        yield RunningBoard(app, pilot, source)


@pytest.mark.parametrize("fault", CATALOGUE, ids=lambda fault: fault.name)
async def test_a_key_switches_its_fault(fault: Fault) -> None:
    key, name = fault.key, fault.name
    async with running_board() as it:
        await it.pilot.press(key)
        assert it.source.commands == [SetFault(name, True)]
        await it.show(running_snapshot(on={name: 0.4}))
        await it.pilot.press(key)
        assert it.source.commands[1:] == [SetFault(name, False)]


@pytest.mark.parametrize(
    ("key", "command"),
    [
        ("0", ClearFaults()),
        ("space", RunTraffic(False)),
        ("t", TripBreaker("ollama_generate")),
        ("r", ResetBreaker("ollama_generate")),
    ],
)
async def test_a_key_sends_its_command(key: str, command: Command) -> None:
    async with running_board() as it:
        await it.pilot.press(key)
        assert it.source.commands == [command]


async def test_space_starts_stopped_traffic() -> None:
    snapshot = running_snapshot()
    assert snapshot.traffic is not None
    async with running_board(
        structs.replace(snapshot, traffic=structs.replace(snapshot.traffic, running=False))
    ) as it:
        assert "traffic off" in it.text(HeaderLine)
        await it.pilot.press("space")
        assert it.source.commands == [RunTraffic(True)]


@pytest.mark.parametrize(
    ("key", "before", "after"),
    [
        ("plus", 0.5, 0.6),
        ("equals_sign", 0.5, 0.6),
        ("minus", 0.5, 0.4),
        ("+", 1.0, 1.0),
        ("-", 0.1, 0.1),
    ],
)
async def test_plus_and_minus_change_the_selected_fault(
    key: str, before: float, after: float
) -> None:
    async with running_board(running_snapshot(on={"cut": before})) as it:
        await it.pilot.press("6", key)
        assert it.source.commands[-1] == SetFault(
            "cut", True, BY_NAME["cut"].setting(probability=after)
        )


async def test_plus_without_a_selected_fault_notifies_what_to_do() -> None:
    async with running_board() as it:
        await it.pilot.press("plus")
        assert it.source.commands == []
        assert [note.message for note in it.app._notifications] == [
            "switch a fault on first, with its key"
        ]


@pytest.mark.parametrize(("down", "up"), [("down", "up"), ("j", "k")])
async def test_selecting_a_breaker(down: str, up: str) -> None:
    async with running_board() as it:
        await it.pilot.press(down, "t", down, "r", up, "t")
        assert it.source.commands == [
            TripBreaker("ollama_embed"),
            ResetBreaker("ollama_embed"),
            TripBreaker("ollama_generate"),
        ]


async def test_a_click_selects_a_breaker() -> None:
    async with running_board() as it:
        await it.pilot.click(BreakerList, offset=(8, 2))
        await it.pilot.press("t")
        assert it.source.commands == [TripBreaker("ollama_embed")]


@pytest.mark.parametrize(("size", "second_row"), [((80, 24), "midreset"), ((120, 36), "busy503")])
async def test_a_click_switches_a_fault(size: tuple[int, int], second_row: str) -> None:
    async with running_board(size=size) as it:
        await it.pilot.click(FaultList, offset=(5, 2))
        assert it.source.commands == [SetFault(second_row, True)]


async def test_p_holds_the_screen_and_shows_how_old_it_is() -> None:
    async with running_board() as it:
        await it.pilot.press("p")
        await it.show(structs.replace(running_snapshot(OPEN), taken_at=NOW + 7, uptime=758.0))
        assert "PAUSED, 7 s behind" in it.text(HeaderLine)
        assert "CLOSED" in it.text(BreakerPanel)
        await it.pilot.press("p")
        assert "PAUSED" not in it.text(HeaderLine)
        assert "OPEN" in it.text(BreakerPanel)


@pytest.mark.parametrize("closing", ["escape", "question_mark", "q"])
async def test_help_opens_and_closes(closing: str) -> None:
    async with running_board() as it:
        await it.pilot.press("question_mark")
        assert isinstance(it.app.screen, HelpScreen)
        await it.pilot.press(closing)
        assert isinstance(it.app.screen, BoardScreen)


async def test_page_keys_move_through_the_transitions() -> None:
    transitions = tuple(
        transition(1000 - n, State.CLOSED, State.OPEN, f"trip number {n}") for n in range(60)
    )
    async with running_board(running_snapshot(breaker(history=transitions))) as it:
        assert "trip number 59" in it.text(TransitionList)
        await it.pilot.press("pagedown", "pagedown")
        assert "trip number 59" not in it.text(TransitionList)
        await it.pilot.press("pageup", "pageup", "pageup")
        assert "trip number 59" in it.text(TransitionList)


@pytest.mark.parametrize("key", ["q", "ctrl+c", "ctrl+q"])
async def test_leaving(key: str) -> None:
    async with running_board() as it:
        await it.pilot.press(key)
        await it.pilot.pause()
        assert not it.app.is_running
        assert it.app.return_code == 0


@pytest.mark.parametrize(
    ("key", "before", "after"),
    [
        ("left_square_bracket", 4.0, 2.0),
        ("right_square_bracket", 4.0, 8.0),
        ("left_square_bracket", 0.125, 0.125),
        ("right_square_bracket", 1000.0, 1024.0),
    ],
)
async def test_brackets_change_the_rate(key: str, before: float, after: float) -> None:
    snapshot = running_snapshot()
    assert snapshot.traffic is not None
    async with running_board(
        structs.replace(snapshot, traffic=structs.replace(snapshot.traffic, rate=before))
    ) as it:
        await it.pilot.press(key)
        assert it.source.commands == [SetRate(after)]


async def test_the_palette_offers_every_command() -> None:
    async with running_board(running_snapshot(on={"cut": 1.0})) as it:
        screen = it.app.screen
        assert isinstance(screen, BoardScreen)
        commands = {command.title: command for command in it.app.get_system_commands(screen)}
        for title in ("Break: HTTP 500", "Mend: cut", "Scenario: outage", "Disable"):
            commands[title].callback()
        for title in ("Traffic", "Trip", "Reset", "Twice the calls", "Clear"):
            await invoke(commands[title].callback)
        assert it.source.commands == [
            SetFault("error500", True),
            SetFault("cut", False),
            PlayScenario(find_scenario("outage")),
            DisableBreaker("ollama_generate"),
            RunTraffic(False),
            TripBreaker("ollama_generate"),
            ResetBreaker("ollama_generate"),
            SetRate(8.0),
            ClearFaults(),
        ]


async def test_a_failed_source_ends_the_app_with_its_reason() -> None:
    async with running_board() as it:
        await it.show(
            structs.replace(
                running_snapshot(), phase=Phase.FAILED, problem="no model: pull one\x1b[31m"
            )
        )
        assert it.app.return_value == "no model: pull one[31m"
        assert it.app.return_code == 2


async def test_a_breaker_that_opens_is_notified_once() -> None:
    async with running_board() as it:
        for _ in range(3):
            await it.show(running_snapshot(OPEN))
        (note,) = it.app._notifications
        assert note.title == "ollama_generate is OPEN"
        assert note.message.startswith("5 consecutive failures")


async def test_the_bell_rings_once_for_a_breaker_that_opens_if_it_is_enabled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rung: list[str] = []
    monkeypatch.setattr(FuseboardApp, "bell", lambda _: rung.append("bell"))
    for asked in (False, True):
        source = FakeSource(running_snapshot())
        app = FuseboardApp(source, bell=asked, clock=ManualClock())
        async with app.run_test() as pilot:
            await pilot.pause()
            it = RunningBoard(app, pilot, source)
            for _ in range(3):
                await it.show(running_snapshot(OPEN))
        assert len(rung) == asked


async def test_the_terminals_title_names_the_open_breakers() -> None:
    async with running_board() as it:
        assert it.app.title == "fuseboard"
        await it.show(running_snapshot(OPEN))
        assert it.app.title == "■ ollama_generate OPEN · fuseboard"
        await it.show(running_snapshot(OPEN, breaker("second", state=State.OPEN)))
        assert it.app.title == "■ ollama_generate and 1 more OPEN · fuseboard"


async def test_a_breaker_that_appears_is_drawn() -> None:
    async with running_board() as it:
        await it.show(running_snapshot(breaker("another_one")))
        assert "another_one" in it.text(BreakerList)


async def test_an_unchanged_snapshot_redraws_nothing() -> None:
    async with running_board(running_snapshot(OPEN)) as it:
        drawn: list[LinesWidget] = []
        for widget in it.app.screen.query(LinesWidget):
            widget.refresh = lambda *_, which=widget, **__: drawn.append(which)  # type: ignore[method-assign, assignment]
        await it.show(structs.replace(it.source.current))
        assert drawn == []
        await it.show(structs.replace(it.source.current, uptime=752.0))
        assert {type(widget) for widget in drawn} == {HeaderLine}


@pytest.mark.parametrize(
    ("warming", "said"),
    [
        (WarmingSnapshot(12, 0, 40, ""), "warming 12/40"),
        (WarmingSnapshot(12, 2, 40, "ollama_generate"), ", 2 failed, waits for ollama_generate"),
        (WarmingSnapshot(38, 2, 40, ""), "warmed 38/40, 2 failed"),
        (WarmingSnapshot(40, 0, 40, ""), ""),
        (None, ""),
    ],
)
async def test_the_warming_is_shown_until_it_succeeds(
    warming: WarmingSnapshot | None, said: str
) -> None:
    async with running_board(
        structs.replace(running_snapshot(), warming=WarmingSnapshot(0, 0, 40, ""))
    ) as it:
        assert "warming 0/40" in it.text(NoticeLine)
        await it.show(structs.replace(running_snapshot(), warming=warming))
        assert it.app.screen.query_one(NoticeLine).display is bool(said)
        assert it.text(NoticeLine).endswith(said)


HOSTILE = "[/] [@click=app.quit]x[/] \x1b]0;pwned\x07 \x9b31m \u202edrow " + "long " * 300


async def test_hostile_text_is_drawn_literally() -> None:
    evil = breaker(
        HOSTILE, why=HOSTILE, history=(transition(5, State.CLOSED, State.OPEN, HOSTILE),)
    )
    async with running_board(structs.replace(running_snapshot(evil), notices=(HOSTILE,))) as it:
        await it.show(running_snapshot(replace(evil, state=State.OPEN, changed_at=NOW)))
        everything = "".join(str(widget.render()) for widget in it.app.screen.query(LinesWidget))
        assert "[/] [@click=app.quit]x[/]" in everything
        assert not set("\x1b\x07\x9b\u202e") & set(everything)
        assert it.app.is_running


@pytest.mark.slow
async def test_a_reason_of_wide_characters_is_not_cut_at_the_end_of_a_line() -> None:
    reason = "理由" * 30
    async with running_board(running_snapshot(breaker(why=reason))) as it:
        _, first, second, *_ = it.text(BreakerPanel).split("\n")
        width = it.app.screen.query_one(BreakerPanel).size.width
        assert max(cell_len(first), cell_len(second)) <= width
        assert first.removeprefix(" why: ") + second.strip() == reason


async def test_removed_keys_of_the_footer_are_released() -> None:
    async with running_board() as it:
        for _ in range(5):
            await it.pilot.press("l")
            await it.pilot.pause()
            await it.pilot.press("escape")
            await it.pilot.pause()
        gc.collect()
        keys = [each for each in gc.get_objects() if isinstance(each, FooterKey)]
        on_screen = list(it.app.screen.query(FooterKey))
        assert len(on_screen) > 5
        assert len(keys) <= 2 * len(on_screen)  # those of the last screen may still be on their way


async def test_a_header_that_is_too_long_is_shortened() -> None:
    on = dict.fromkeys(["error500", "latency", "cut"], 0.25)
    far = TargetSnapshot("http://ollama.example.internal:11434", "llama3.2:1b-instruct", False)
    async with running_board(running_snapshot(on=on, target=far), size=(80, 24)) as it:
        await it.pilot.press("p")
        line = it.text(HeaderLine)
        assert len(line) <= 80
        assert "PAUSED" in line
        assert "llama3.2:1b" in line
        assert "3 faults on" in line or "cut 25%" in line
