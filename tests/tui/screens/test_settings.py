"""The settings of a breaker on a screen, changed with keys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs
from textual.content import Content
from textual.widgets import Input, Static

from fuseboard import Backoff, BreakerSettings, CountWindow, FailureRate, TripPolicy
from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard.breaker.state import State
from fuseboard.breaker.tunables import Tunable, tunables_of, with_tunables
from fuseboard.breaker.validation import NumberKind
from fuseboard.engine.commands import ConfigureBreaker
from fuseboard.recording.replay import Replay
from fuseboard.snapshot.snapshot import Refusal, Snapshot
from fuseboard_tui.app import FuseboardApp
from fuseboard_tui.board.screen import BoardScreen
from fuseboard_tui.screens.help import HelpScreen
from fuseboard_tui.screens.settings import SettingsScreen
from fuseboard_tui.widgets.tunable_list import TunableList
from tests.core.clock import ManualClock
from tests.tui.board.test_keys import HOSTILE, RunningBoard, running_board
from tests.tui.board.test_timeline import recording
from tests.tui.fake_source import NOW, breaker, running_snapshot

RATE = FailureRate(0.5, CountWindow(20), minimum_calls=10)


def with_settings(settings: BreakerSettings | None = None, **changes: Any) -> BreakerSnapshot:
    return breaker(tunables=tunables_of(settings or BreakerSettings(trip=RATE)), **changes)


@asynccontextmanager
async def settings_shown(
    *breakers: BreakerSnapshot, size: tuple[int, int] = (120, 36)
) -> AsyncIterator[RunningBoard]:
    async with running_board(running_snapshot(*(breakers or (with_settings(),))), size) as it:
        await it.pilot.press("s")
        await it.pilot.pause()
        yield it


def screen(it: RunningBoard) -> SettingsScreen:
    assert isinstance(it.app.screen, SettingsScreen)
    return it.app.screen


def rows(it: RunningBoard) -> list[str]:
    drawn = str(screen(it).query_one(TunableList).render())
    return [" ".join(line.split()) for line in drawn.split("\n")]


def selected(it: RunningBoard) -> str:
    return next(row for row in rows(it) if row.startswith("▌"))


def validity(it: RunningBoard) -> str:
    return str(screen(it).query_one("#validity", Static).content)


def is_editing(it: RunningBoard) -> bool:
    return bool(screen(it).query_one("#edit").display)


async def now(it: RunningBoard, *breakers: BreakerSnapshot) -> None:
    """Let the source show other breakers, and both screens draw them."""
    await it.show(running_snapshot(*breakers))
    screen(it).show()
    await it.pilot.pause()


def notifications(app: FuseboardApp) -> list[str]:
    return [toast.message for toast in app._notifications]


async def test_a_row_for_each_tunable() -> None:
    async with settings_shown() as it:
        assert str(screen(it).query_one(TunableList).border_title) == (
            "Settings of ollama_generate, ● CLOSED"
        )
        assert rows(it) == [
            "▌trip.rate 0.5 share of failed calls that opens it",
            "trip.over.calls 20 latest calls that it looks at",
            "trip.minimum_calls 10 calls before the share counts",
            "recovery_timeout 30 s from opening to the first probe",
            "max_probes 1 probes at once while half-open",
            "successes_to_close 1 good probes that close it",
            "probe_timeout 120 s a probe silent for so long has failed",
            "longest_retry_after 300 s a longer Retry-After is cut to this",
        ]


async def test_a_typed_value_is_sent_and_shown_once_it_is_in_force() -> None:
    async with settings_shown() as it:
        await it.pilot.press("down", "j", "j", "enter")
        assert screen(it).query_one(Input).value == "30"
        await it.pilot.press(*"2.5", "enter")
        change = ConfigureBreaker("ollama_generate", {"recovery_timeout": 2.5})
        assert it.source.commands == [change]
        assert not is_editing(it)
        assert selected(it).startswith("▌recovery_timeout 30 s")
        before = BreakerSettings(trip=RATE)
        after = replace(before, **with_tunables(before, change.changes))
        await now(it, with_settings(after))
        assert selected(it).startswith("▌recovery_timeout 2.5 s")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("downs", "typed", "said"),
    [
        (0, "1.5", "trip.rate takes a share, above 0 and at most 1, not 1.5"),
        (0, "0", "trip.rate takes a share, above 0 and at most 1, not 0"),
        (4, "2.5", "max_probes takes a whole number of at least 1, not 2.5"),
        (
            3,
            "nan",
            "recovery_timeout takes seconds, more than 0 and less than 30 years, not nan",
        ),
        (
            3,
            "1e-310",
            "recovery_timeout takes seconds, more than 0 and less than 30 years, not 1e-310",
        ),
        (
            3,
            "soon",
            "not a number: recovery_timeout takes seconds, more than 0 and less than 30 years",
        ),
        (
            3,
            "[b]?",
            "not a number: recovery_timeout takes seconds, more than 0 and less than 30 years",
        ),
    ],
)
async def test_an_invalid_value_is_reported_while_it_is_typed_and_not_sent(
    downs: int, typed: str, said: str
) -> None:
    async with settings_shown() as it:
        await it.pilot.press(*["down"] * downs, "enter")
        assert validity(it) == "Enter sets it, Esc leaves it as it is"
        await it.pilot.press(*typed)
        assert validity(it) == said
        assert screen(it).query_one("#validity").has_class("alarm")
        await it.pilot.press("enter")
        assert is_editing(it)
        assert it.source.commands == []
        await it.pilot.press(*["backspace"] * len(typed), "1")
        assert validity(it) == "Enter sets it, Esc leaves it as it is"
        assert not screen(it).query_one("#validity").has_class("alarm")


async def test_an_unchanged_value_is_not_sent() -> None:
    async with settings_shown() as it:
        await it.pilot.press("enter", "enter")
        assert not is_editing(it)
        assert it.source.commands == []


async def test_escape_leaves_the_edit_and_then_the_screen() -> None:
    async with settings_shown() as it:
        await it.pilot.press("enter", "9", "escape")
        assert not is_editing(it)
        assert it.source.commands == []
        await it.pilot.press("enter")
        assert screen(it).query_one(Input).value == "0.5"
        await it.pilot.press("escape", "escape")
        assert isinstance(it.app.screen, BoardScreen)


@pytest.mark.parametrize("key", ["s", "q", "ctrl+c", "escape"])
async def test_leaving(key: str) -> None:
    async with settings_shown() as it:
        await it.pilot.press(key)
        assert isinstance(it.app.screen, BoardScreen)


async def test_the_selection_stops_at_the_ends_and_does_not_move_during_an_edit() -> None:
    async with settings_shown() as it:
        await it.pilot.press("up", "k")
        assert selected(it).startswith("▌trip.rate")
        await it.pilot.press(*["down"] * 20)
        assert selected(it).startswith("▌longest_retry_after")
        await it.pilot.press("enter", "up")
        assert selected(it).startswith("▌longest_retry_after")


async def test_a_click_selects_and_a_second_one_edits() -> None:
    async with settings_shown() as it:
        await it.pilot.click(TunableList, offset=(5, 5))
        assert selected(it).startswith("▌max_probes")
        await it.pilot.click(TunableList, offset=(5, 5))
        assert is_editing(it)
        await it.pilot.press("3")
        await it.pilot.click(TunableList, offset=(5, 1))
        assert not is_editing(it)
        assert selected(it).startswith("▌trip.rate")
        await it.pilot.click(TunableList, offset=(5, 20))
        assert it.source.commands == []


async def test_a_typed_value_is_dropped_when_its_tunable_is_gone() -> None:
    async with settings_shown() as it:
        await it.pilot.press("enter", *"0.3")
        await now(it, with_settings(BreakerSettings(recovery_timeout=Backoff(5))))
        assert not is_editing(it)
        assert selected(it).startswith("▌trip.threshold 5")
        await it.pilot.press("down", "down", "enter", *"4", "enter")
        changes = {"recovery_timeout.multiplier": 4.0}
        assert it.source.commands == [ConfigureBreaker("ollama_generate", changes)]


async def test_the_screen_stays_on_the_breaker_that_was_selected() -> None:
    other = replace(with_settings(), name="other")
    async with settings_shown(other, with_settings()) as it:
        assert "other" in str(screen(it).query_one(TunableList).border_title)
        await now(it, with_settings(state=State.OPEN), other)
        await it.pilot.press("enter", *"0.1", "enter")
        assert it.source.commands == [ConfigureBreaker("other", {"trip.rate": 0.1})]


@pytest.mark.parametrize("size", [(60, 18), (120, 36)])
async def test_a_breaker_without_tunables_shows_a_message(size: tuple[int, int]) -> None:
    async with settings_shown(breaker(), size=size) as it:
        assert " ".join(rows(it)) == (
            "nothing that could be set here: it is only reported, or was recorded without that"
        )
        await it.pilot.press("enter", "down", "up")
        assert not is_editing(it)
        await now(it, replace(breaker(), name="another"))
        assert rows(it) == ["there is no breaker of that name at this moment"]


async def test_without_breakers_nothing_opens() -> None:
    async with running_board(structs.replace(running_snapshot(), breakers=())) as it:
        await it.pilot.press("s")
        assert isinstance(it.app.screen, BoardScreen)


async def test_the_present_values_are_shown_while_the_board_is_held() -> None:
    async with running_board(running_snapshot(with_settings())) as it:
        await it.pilot.press("p")
        after = with_settings(BreakerSettings(trip=RATE, max_probes=7))
        await it.show(structs.replace(running_snapshot(after), taken_at=NOW + 9))
        await it.pilot.press("s", *["down"] * 4)
        assert selected(it).startswith("▌max_probes 7")


async def test_names_are_drawn_literally() -> None:
    number = Tunable(HOSTILE, 3.0, NumberKind.ANY, HOSTILE)
    async with settings_shown(breaker(HOSTILE, tunables=(number,)), size=(80, 24)) as it:
        await it.pilot.press("enter", "x")
        everything = [*rows(it), validity(it), str(screen(it).query_one("#about", Static).content)]
        for text in everything:
            assert "[/] [@click=app.quit]x[/]" in text
        everything.append(str(screen(it).query_one(TunableList).border_title))
        assert not set("\x1b\x07\x9b\u202e") & set("".join(everything))


async def test_the_help_lists_the_keys_of_the_settings() -> None:
    async with settings_shown() as it:
        await it.pilot.press("question_mark")
        assert isinstance(it.app.screen, HelpScreen)
        text = it.app.screen.query_one("#help Static").render()
        assert isinstance(text, Content)
        assert "type what the chosen number shall be" in text.plain
        assert "Faults" not in text.plain


def policies() -> TripPolicy:
    return RATE | FailureRate(0.9, CountWindow(5), minimum_calls=5)


def moment(seconds: float, *refusals: Refusal) -> Snapshot:
    shows = running_snapshot(with_settings(BreakerSettings(trip=policies())), refusals=refusals)
    return structs.replace(shows, taken_at=NOW + seconds, uptime=seconds)


EARLIER, NEWER = Refusal(NOW - 9, "an earlier one"), Refusal(NOW + 1, "[b]minimum[/] \x1b[2J")


async def test_a_replay_shows_the_settings_and_refuses_changes() -> None:
    replay = Replay(recording(moment(0), moment(1, NEWER), moment(60, NEWER)), clock=ManualClock())
    app = FuseboardApp(replay)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("end", "s", "enter", *"0.2", "enter")
        assert isinstance(app.screen, SettingsScreen)
        assert notifications(app) == ["this is a replay: there is no engine to command"]


async def test_the_board_notifies_once_of_each_refusal_since_its_start() -> None:
    async with running_board(moment(0, EARLIER)) as it:
        assert notifications(it.app) == []
        await it.pilot.press("s")
        await it.show(moment(1, EARLIER, NEWER))
        await it.show(moment(2, EARLIER, NEWER))
        assert notifications(it.app) == ["[b]minimum[/] [2J"]


async def test_a_refusal_is_notified_while_the_board_is_held() -> None:
    async with running_board(moment(0)) as it:
        await it.pilot.press("p")
        await it.show(moment(1, NEWER))
        assert notifications(it.app) == ["[b]minimum[/] [2J"]
