"""A prompt typed by hand, and its answer as it comes through the breaker and the faults."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Paste
from textual.widgets import Input

from fuseboard.breaker.durations import format_duration
from fuseboard.engine.commands import Ask, StopAsking
from fuseboard.snapshot.snapshot import AnswerState, PromptSnapshot
from fuseboard_tui.board import breakpoints
from fuseboard_tui.board.fault_controls import FaultControls
from fuseboard_tui.board.source import Source
from fuseboard_tui.board.timeline import Timeline
from fuseboard_tui.screens.fault_keys import FAULT_KEYS, FaultKeysScreen
from fuseboard_tui.screens.help import HelpScreen
from fuseboard_tui.text.sanitize import sanitize
from fuseboard_tui.text.wrap import wrap_text
from fuseboard_tui.widgets.breaker_panel import BreakerPanel
from fuseboard_tui.widgets.fault_list import FaultList
from fuseboard_tui.widgets.keys_footer import KeysFooter
from fuseboard_tui.widgets.lines import Line, Rows
from fuseboard_tui.widgets.notice_line import NoticeLine

_DRAWS_PER_SECOND = 8  # an answer that streams looks like it
_LONGEST_PROMPT = 8000  # characters
_HINT = (
    "A prompt goes through the breaker and the faults to the model, never to the cache."
    " While the answer comes, the keys switch faults."
)
_TROUBLES = (AnswerState.FAILED, AnswerState.REJECTED)


class AskScreen(FaultKeysScreen):
    """Puts a prompt to the model; while the answer comes the keys are the faults' again.

    Args:
        source: Whom it asks; it is always shown as it is now.
        timeline: Knows for how long there has been no news.
        switches: The faults.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "enter",
            "edit",
            "prompt",
            id="edit",
            key_display="Enter",
            tooltip="type a prompt; Enter again asks it",
        ),
        Binding(
            "escape,q,ctrl+c",
            "back",
            "stop, back",
            id="back",
            key_display="Esc",
            tooltip="stop the answer; or back to the board",
        ),
        *FAULT_KEYS,
        Binding("down,j", "scroll(1)", "down", id="down", key_display="↓", show=False),
        Binding("up,k", "scroll(-1)", "up", id="up", key_display="↑", show=False),
        Binding("pagedown,space", "page(1)", "page", id="page_down", show=False),
        Binding("pageup", "page(-1)", "page up", id="page_up", show=False),
        Binding("question_mark,f1", "help", "help", id="help", key_display="?"),
    ]
    AUTO_FOCUS = ""  # whoever comes back from the help finds the keys as they were
    HORIZONTAL_BREAKPOINTS = breakpoints.HORIZONTAL
    VERTICAL_BREAKPOINTS = breakpoints.VERTICAL

    def __init__(self, source: Source, timeline: Timeline, switches: FaultControls) -> None:
        super().__init__(switches)
        self._source = source
        self._timeline = timeline
        self._drawn: tuple[object, ...] = ()
        self._stopped: str | None = None  # the prompt whose answer was to be stopped

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield NoticeLine(id="notice")
        yield PromptLine(
            id="prompt",
            placeholder="a prompt; Enter asks it",
            compact=True,
            max_length=_LONGEST_PROMPT,
        )
        yield BreakerPanel(id="ask-panel")
        yield Rows(id="answer")
        yield FaultList(id="ask-faults", title="Faults")
        yield KeysFooter()

    def on_mount(self) -> None:
        """Begin to draw."""
        self.action_edit()
        self.show()
        self.set_interval(1 / _DRAWS_PER_SECOND, self.show)

    def on_resize(self) -> None:
        """Draw in the new size."""
        self.call_after_refresh(self.show)

    def show(self) -> None:
        """Draw the breaker, the faults and the answer as they are now."""
        if not self.query("#answer"):
            return  # the screen is being left
        snapshot = self._source.snapshot()
        seen = snapshot.prompt
        with self.app.batch_update():
            self.query_one(NoticeLine).show(snapshot, self._timeline.silence, self._timeline.now)
            self.query_one(BreakerPanel).show(
                snapshot, snapshot.breaker(seen.breaker) if seen else None
            )
            self.query_one(FaultList).show(snapshot, self.switches.selected)
            self._show_answer(seen)

    def _show_answer(self, seen: PromptSnapshot | None) -> None:
        rows = self.query_one("#answer", Rows)
        rows.entitle(_title(seen))
        now_drawn = (seen and (seen.prompt, seen.answer, seen.state, seen.reason), rows.size)
        if now_drawn != self._drawn:
            follows = not self._drawn or rows.is_at_end
            self._drawn = now_drawn
            lines = list(_lines(seen, rows.size.width - 2))
            rows.draw_rows(lines, visible=len(lines) - 1 if follows else None)

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Ask, and give the keys to the faults."""
        if not message.value.strip():
            return
        if self._source.snapshot().prompt is None:
            self.notify("nobody can be asked yet", severity="warning", markup=False)
            return
        self._stopped = None
        self._source.send(Ask(message.value))
        self.set_focus(None)

    def action_edit(self) -> None:
        """Type a prompt."""
        self.query_one("#prompt", Input).focus()

    def action_back(self) -> None:
        """Stop the answer that is coming, or stop typing, or leave."""
        seen = self._source.snapshot().prompt
        if seen is not None and seen.state.under_way and self._stopped != seen.prompt:
            self._stopped = seen.prompt  # but nobody may obey
            self._source.send(StopAsking())
        elif self.focused is not None and seen is not None and seen.prompt:
            self.set_focus(None)
        else:
            self.dismiss()

    def action_scroll(self, rows: int) -> None:
        """Move through the answer."""
        self.query_one("#answer", Rows).move(rows)

    def action_page(self, direction: int) -> None:
        """Move by a screenful."""
        self.query_one("#answer", Rows).page(direction)

    def action_help(self) -> None:
        """Show the keys of this screen."""
        self.app.push_screen(HelpScreen(list(self._bindings), self._source.snapshot().faults))


class PromptLine(Input):
    """A line that takes every line of what is pasted."""

    def on_paste(self, event: Paste) -> None:
        """Put the lines beside each other: there is one here."""
        event.stop()
        event.prevent_default()  # which takes the first line only
        self.insert_text_at_cursor(" ".join(event.text.split()))


def _title(seen: PromptSnapshot | None) -> str:
    if seen is None:
        return "Nobody can be asked yet"
    model = sanitize(seen.model, 24)
    if seen.state is AnswerState.NONE:
        return f"Answer of {model}"
    when = "for" if seen.state.under_way else "after"
    title = f"{model}: {seen.state.value} {when} {format_duration(seen.seconds)}"
    if seen.first_token is not None:
        title += f", first token in {format_duration(seen.first_token)}"
    if seen.tokens:
        title += f", {seen.tokens:,} tokens"
    if seen.tokens_per_second:
        title += f", {seen.tokens_per_second:.3g}/s"
    return title


def _lines(seen: PromptSnapshot | None, width: int) -> Iterator[Line]:
    if seen is None or seen.state is AnswerState.NONE:
        for line in wrap_text(_HINT, width):
            yield ((f" {line}", "quiet"),)
        return
    for line in wrap_text(f"> {seen.prompt}", width):
        yield ((f" {line}", "key"),)
    if seen.omitted:
        yield ((f" … {seen.omitted:,} characters before this are left out", "quiet"),)
    if seen.answer:
        for line in wrap_text(seen.answer, width):
            yield (f" {line}",)
    if seen.state in _TROUBLES:
        for line in wrap_text(f"▲ {seen.state.value}: {seen.reason}", width):
            yield ((f" {line}", "alarm"),)
    elif seen.state is AnswerState.STOPPED:
        yield ((" ■ stopped", "quiet"),)
