"""A prompt typed by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec.structs import replace
from textual.events import Paste
from textual.widgets import Input

from fuseboard.engine.commands import Ask, ClearFaults, SetFault, StopAsking
from fuseboard.recording.replay import Replay
from fuseboard.snapshot.snapshot import AnswerState, PromptSnapshot
from fuseboard_tui.app import FuseboardApp
from fuseboard_tui.board.screen import BoardScreen
from fuseboard_tui.screens.ask import AskScreen
from fuseboard_tui.screens.help import HelpScreen
from fuseboard_tui.widgets.breaker_panel import BreakerPanel
from fuseboard_tui.widgets.lines import ScrollableLines
from fuseboard_tui.widgets.notice_line import NoticeLine
from tests.core.clock import ManualClock
from tests.tui.board.test_keys import RunningBoard, running_board
from tests.tui.board.test_timeline import recording
from tests.tui.fake_source import NOW, OPEN, running_snapshot

NOTHING = PromptSnapshot("llama3.2", "ollama_generate")
STREAMING = replace(
    NOTHING,
    state=AnswerState.STREAMING,
    prompt="why is the sky blue?",
    answer="Because of [b]Rayleigh[/b]\x1b[2J scattering.\n    x = 1",
    seconds=1.5,
    first_token=0.25,
)
COMPLETE = replace(
    STREAMING,
    state=AnswerState.COMPLETE,
    reason="stop",
    seconds=2.0,
    tokens=57,
    tokens_per_second=31.27,
)


@asynccontextmanager
async def ask_shown(
    prompt: PromptSnapshot | None = NOTHING, size: tuple[int, int] = (120, 36), **changes: Any
) -> AsyncIterator[RunningBoard]:
    async with running_board(running_snapshot(OPEN, prompt=prompt, **changes), size) as it:
        await it.pilot.press("a")
        await it.pilot.pause()
        yield it


async def answered(it: RunningBoard, prompt: PromptSnapshot) -> None:
    it.source.current = replace(it.source.current, prompt=prompt)
    screen(it).show()
    await it.pilot.pause()


def screen(it: RunningBoard) -> AskScreen:
    assert isinstance(it.app.screen, AskScreen)
    return it.app.screen


def answer(it: RunningBoard) -> ScrollableLines:
    return screen(it).query_one("#answer", ScrollableLines)


def text(it: RunningBoard) -> str:
    return str(answer(it).render())


def title(it: RunningBoard) -> str:
    return str(answer(it).border_title)


async def test_a_typed_prompt_is_sent() -> None:
    async with ask_shown() as it:
        assert title(it) == "Answer of llama3.2"
        assert "the keys switch faults" in " ".join(text(it).split())
        await it.pilot.press(*"why 1", "enter")
        assert it.source.commands == [Ask("why 1")]
        assert screen(it).focused is None


@pytest.mark.parametrize("typed", [[], ["space"]])
async def test_an_empty_prompt_is_not_sent(typed: list[str]) -> None:
    async with ask_shown() as it:
        await it.pilot.press(*typed, "enter")
        assert it.source.commands == []
        assert screen(it).focused is not None


async def test_a_prompt_is_refused_before_the_model_is_known() -> None:
    async with ask_shown(None) as it:
        assert title(it) == "Nobody can be asked yet"
        await it.pilot.press("x", "enter")
        assert it.source.commands == []
        assert [note.message for note in it.app._notifications] == ["nobody can be asked yet"]


async def test_an_answer_is_drawn_as_it_comes_and_literally() -> None:
    async with ask_shown() as it:
        await answered(
            it, replace(STREAMING, state=AnswerState.WAITING, answer="", first_token=None)
        )
        assert title(it) == "llama3.2: waiting for the first token for 1.5 s"
        await answered(it, STREAMING)
        assert title(it) == "llama3.2: streaming for 1.5 s, first token in 0.25 s"
        assert text(it).split("\n") == [
            " > why is the sky blue?",
            " Because of [b]Rayleigh[/b][2J scattering.",
            "     x = 1",
        ]
        await answered(it, COMPLETE)
        assert title(it) == (
            "llama3.2: complete after 2.0 s, first token in 0.25 s, 57 tokens, 31.3/s"
        )


async def test_a_wide_answer_is_wrapped_and_not_cut() -> None:
    async with ask_shown(replace(COMPLETE, answer="天空是蓝色的" * 40), (80, 24)) as it:
        folded = text(it).split("\n")[1:]
        assert "".join(line.strip() for line in folded) == "天空是蓝色的" * 40
        assert "…" not in text(it)


@pytest.mark.parametrize(
    ("state", "last"),
    [
        (AnswerState.FAILED, " ▲ failed: HTTP 500: out of memory"),
        (AnswerState.REJECTED, " ▲ rejected: HTTP 500: out of memory"),
        (AnswerState.STOPPED, " ■ stopped"),
    ],
)
async def test_an_answer_that_ended_early_stays(state: AnswerState, last: str) -> None:
    ended = replace(STREAMING, state=state, reason="HTTP 500: out of memory")
    async with ask_shown(ended) as it:
        lines = text(it).split("\n")
        assert lines[2:] == ["     x = 1", last]


async def test_thinking_is_shown_apart() -> None:
    thinking = replace(STREAMING, thinking="Let me\nsee.\x1b[2J", answer="", omitted_thinking=9)
    async with ask_shown(thinking) as it:
        beginning = [
            " > why is the sky blue?",
            " thinking:",
            " … 9 characters before this are left out",
            " │ Let me",
            " │ see.[2J",
        ]
        assert text(it).split("\n") == beginning
        await answered(it, replace(thinking, answer="Because."))
        assert text(it).split("\n") == [*beginning, " answer:", " Because."]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"thinking": "Hm.", "reason": "length", "tokens": 48},
            " ▲ no answer: the model only thought, for 48 tokens, up to its limit",
        ),
        (
            {"thinking": "Hm.", "tokens": 3},
            " ▲ no answer: the model only thought, for 3 tokens",
        ),
        ({"answer": " \n"}, " ▲ no answer: the model said nothing"),
    ],
)
async def test_an_empty_answer_is_no_success(changes: dict[str, Any], said: str) -> None:
    async with ask_shown(replace(COMPLETE, **{"answer": "", **changes})) as it:
        assert text(it).split("\n")[-1] == said


async def test_a_long_answer_shows_how_much_is_left_out() -> None:
    async with ask_shown(replace(COMPLETE, omitted=12_345)) as it:
        assert " … 12,345 characters before this are left out" in text(it)


async def test_the_answer_is_followed_until_the_user_scrolls_up() -> None:
    long = replace(STREAMING, answer="\n".join(map(str, range(100))))
    async with ask_shown(long, (80, 24)) as it:
        assert text(it).endswith(" 99")
        await it.pilot.press("escape", "up", "up")
        seen = text(it)
        assert seen.endswith(" 97")
        await answered(it, replace(long, answer=long.answer + "\n100"))
        assert text(it) == seen
        await it.pilot.press("pagedown")
        assert text(it).endswith(" 100")
        await answered(it, replace(long, answer=long.answer + "\n100\n101"))
        assert text(it).endswith(" 101")


async def test_keys_switch_faults_while_the_answer_streams() -> None:
    async with ask_shown() as it:
        await it.pilot.press("2", "0")  # typed
        assert it.source.commands == []
        await it.pilot.press("enter")
        await answered(it, STREAMING)
        await it.pilot.press("2", "minus", "0")
        ask, switched, lessened, cleared = it.source.commands
        assert (ask, switched, cleared) == (Ask("20"), SetFault("error500", True), ClearFaults())
        assert isinstance(lessened, SetFault)
        assert lessened.setting is not None
        assert lessened.setting.probability == 0.9


async def test_a_click_switches_a_fault() -> None:
    async with ask_shown() as it:
        await it.pilot.click("#ask-faults", offset=(3, 1))
        assert it.source.commands == [SetFault("refuse", True)]


async def test_plus_without_a_selected_fault_notifies_what_to_do() -> None:
    async with ask_shown(COMPLETE) as it:
        await it.pilot.press("escape", "plus")
        assert it.source.commands == []
        assert "switch a fault on first" in str(next(iter(it.app._notifications)).message)


async def test_escape_stops_then_leaves() -> None:
    async with ask_shown(STREAMING) as it:
        await it.pilot.press("escape")
        assert it.source.commands == [StopAsking()]
        await answered(it, replace(STREAMING, state=AnswerState.STOPPED))
        await it.pilot.press("escape")  # leaves the line
        assert screen(it).focused is None
        await it.pilot.press("enter")
        assert isinstance(screen(it).focused, Input)
        await it.pilot.press("escape", "escape")
        assert isinstance(it.app.screen, BoardScreen)
        assert it.source.commands == [StopAsking()]


async def test_escape_leaves_at_once_without_a_prompt() -> None:
    async with ask_shown() as it:
        await it.pilot.press("escape")
        assert isinstance(it.app.screen, BoardScreen)


async def test_the_breaker_of_the_prompt_is_shown() -> None:
    async with ask_shown() as it:
        assert "OPEN" in str(screen(it).query_one(BreakerPanel).render())


async def test_the_present_answer_is_shown_while_the_board_is_held() -> None:
    async with running_board(running_snapshot(prompt=NOTHING)) as it:
        await it.pilot.press("p", "a")
        await it.pilot.pause()
        await answered(it, COMPLETE)
        assert "Rayleigh" in text(it)


async def test_a_silent_engine_is_shown() -> None:
    async with ask_shown(silence=5.0) as it:
        notice = str(screen(it).query_one(NoticeLine).render())
        assert "nothing new from the engine for 5.0 s" in notice


async def test_a_replay_shows_the_recorded_answer_and_refuses_a_prompt() -> None:
    recorded = running_snapshot(prompt=COMPLETE)
    replay = Replay(recording(recorded, replace(recorded, taken_at=NOW + 5)), clock=ManualClock())
    app = FuseboardApp(replay)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("a")
        await pilot.pause()
        assert isinstance(app.screen, AskScreen)
        assert "Rayleigh" in str(app.screen.query_one("#answer", ScrollableLines).render())
        await pilot.press(*"why", "enter")
        assert "no engine to command" in str(next(iter(app._notifications)).message)


async def test_the_help_lists_the_keys_of_the_screen() -> None:
    async with ask_shown(COMPLETE) as it:
        await it.pilot.press("f1")
        assert isinstance(it.app.screen, HelpScreen)
        shown = str(it.app.screen.query_one("#help Static").render())
        assert "type a prompt" in shown
        assert "Faults on the wire" in shown


@pytest.mark.parametrize("size", [(40, 10), (60, 18), (80, 24), (200, 50)])
async def test_there_is_room_for_the_answer_in_every_window(size: tuple[int, int]) -> None:
    async with ask_shown(COMPLETE, size) as it:
        assert answer(it).size.height >= 3
        assert "Rayleigh" in " ".join(text(it).split())


async def test_every_pasted_line_is_in_the_prompt() -> None:
    async with ask_shown() as it:
        line = screen(it).query_one(Input)
        line.post_message(Paste("line one\n\n  line two\tand more"))
        await it.pilot.pause()
        await it.pilot.press("enter")
        assert it.source.commands == [Ask("line one line two and more")]


async def test_keys_switch_faults_after_the_help_was_closed() -> None:
    async with ask_shown(STREAMING) as it:
        await it.pilot.press("x", "enter", "f1", "escape", "2")
        assert it.source.commands == [Ask("x"), SetFault("error500", True)]


async def test_escape_leaves_where_the_source_ignores_commands() -> None:
    async with ask_shown(STREAMING) as it:
        await it.pilot.press("x", "enter", "escape", "escape", "escape")
        assert it.source.commands == [Ask("x"), StopAsking()]
        assert isinstance(it.app.screen, BoardScreen)
