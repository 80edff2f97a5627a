"""A prompt typed by the user, and the model's answer as it streams through the breaker."""

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
from fuseboard_tui.screens.fault_controls import FaultControls
from fuseboard_tui.screens.fault_keys import FAULT_KEYS, FaultKeysScreen
from fuseboard_tui.screens.help import HelpScreen
from fuseboard_tui.text.sanitize import sanitize
from fuseboard_tui.text.wrap import wrap_text
from fuseboard_tui.timeline.source import Source
from fuseboard_tui.timeline.timeline import Timeline
from fuseboard_tui.widgets import breakpoints
from fuseboard_tui.widgets.breaker_panel import BreakerPanel
from fuseboard_tui.widgets.fault_list import FaultList
from fuseboard_tui.widgets.keys_footer import KeysFooter
from fuseboard_tui.widgets.lines import Line, ScrollableLines
from fuseboard_tui.widgets.notice_line import NoticeLine

_DRAWS_PER_SECOND = 8  # often enough for an answer to appear to stream
_MAX_PROMPT_LENGTH = 8000  # characters
_HINT = (
    "A prompt goes through the breaker and the faults to the model, never to the cache."
    " While the answer comes, the keys switch faults."
)
_FAILURES = (AnswerState.FAILED, AnswerState.REJECTED)


class AskScreen(FaultKeysScreen):
    """Send a prompt to the model and show the answer; meanwhile the keys switch faults.

    The source is shown as it is now, even if the board is held.

    Args:
        source: Receives the prompt.
        timeline: Provides the length of a silence.
        faults: The fault controls of the board.
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
    AUTO_FOCUS = ""  # closing the help must not move the focus
    HORIZONTAL_BREAKPOINTS = breakpoints.HORIZONTAL
    VERTICAL_BREAKPOINTS = breakpoints.VERTICAL

    def __init__(self, source: Source, timeline: Timeline, faults: FaultControls) -> None:
        super().__init__(faults)
        self._source = source
        self._timeline = timeline
        self._drawn: tuple[object, ...] = ()
        self._stopped: str | None = None  # the prompt that the user has stopped

    def compose(self) -> ComposeResult:
        """Create the widgets."""
        yield NoticeLine(id="notice")
        yield PromptLine(
            id="prompt",
            placeholder="a prompt; Enter asks it",
            compact=True,
            max_length=_MAX_PROMPT_LENGTH,
        )
        yield BreakerPanel(id="ask-panel")
        yield ScrollableLines(id="answer")
        yield FaultList(id="ask-faults", title="Faults")
        yield KeysFooter()

    def on_mount(self) -> None:
        """Begin to draw."""
        self.action_edit()
        self.show()
        self.set_interval(1 / _DRAWS_PER_SECOND, self.show)

    def on_resize(self) -> None:
        """Redraw in the new size."""
        self.call_after_refresh(self.show)

    def show(self) -> None:
        """Draw the present breaker, faults and answer."""
        if not self.query("#answer"):
            return  # the screen is closing
        snapshot = self._source.snapshot()
        prompt = snapshot.prompt
        with self.app.batch_update():
            self.query_one(NoticeLine).show(snapshot, self._timeline.silence, self._timeline.now)
            self.query_one(BreakerPanel).show(
                snapshot, snapshot.breaker(prompt.breaker) if prompt else None
            )
            self.query_one(FaultList).show(snapshot, self.faults.selected)
            self._show_answer(prompt)

    def _show_answer(self, prompt: PromptSnapshot | None) -> None:
        rows = self.query_one("#answer", ScrollableLines)
        rows.set_title(_title(prompt))
        to_draw = (
            prompt and (prompt.prompt, prompt.answer, prompt.thinking, prompt.state, prompt.reason),
            rows.size,
        )
        if to_draw != self._drawn:
            follows = not self._drawn or rows.is_at_end
            self._drawn = to_draw
            lines = list(_lines(prompt, rows.size.width - 2))
            rows.draw_rows(lines, visible=len(lines) - 1 if follows else None)

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Send the prompt, and return the keys to the faults."""
        if not message.value.strip():
            return
        if self._source.snapshot().prompt is None:
            self.notify("nobody can be asked yet", severity="warning", markup=False)
            return
        self._stopped = None
        self._source.send(Ask(message.value))
        self.set_focus(None)

    def action_edit(self) -> None:
        """Focus the prompt line."""
        self.query_one("#prompt", Input).focus()

    def action_back(self) -> None:
        """Stop the answer, else leave the prompt line, else close the screen."""
        prompt = self._source.snapshot().prompt
        if prompt is not None and prompt.state.under_way and self._stopped != prompt.prompt:
            self._stopped = prompt.prompt  # the next Esc closes, even if this is not obeyed
            self._source.send(StopAsking())
        elif self.focused is not None and prompt is not None and prompt.prompt:
            self.set_focus(None)
        else:
            self.dismiss()

    def action_scroll(self, rows: int) -> None:
        """Scroll the answer."""
        self.query_one("#answer", ScrollableLines).move(rows)

    def action_page(self, direction: int) -> None:
        """Scroll the answer by a page."""
        self.query_one("#answer", ScrollableLines).page(direction)

    def action_help(self) -> None:
        """Open the help."""
        self.app.push_screen(HelpScreen(list(self._bindings), self._source.snapshot().faults))


class PromptLine(Input):
    """An input that takes every line of a pasted text."""

    def on_paste(self, event: Paste) -> None:
        """Insert the lines, joined with blanks."""
        event.stop()
        event.prevent_default()  # it inserts the first line only
        self.insert_text_at_cursor(" ".join(event.text.split()))


def _title(prompt: PromptSnapshot | None) -> str:
    if prompt is None:
        return "Nobody can be asked yet"
    model = sanitize(prompt.model, 24)
    if prompt.state is AnswerState.NONE:
        return f"Answer of {model}"
    when = "for" if prompt.state.under_way else "after"
    title = f"{model}: {prompt.state.value} {when} {format_duration(prompt.seconds)}"
    if prompt.first_token is not None:
        title += f", first token in {format_duration(prompt.first_token)}"
    if prompt.tokens:
        title += f", {prompt.tokens:,} tokens"
    if prompt.tokens_per_second:
        title += f", {prompt.tokens_per_second:.3g}/s"
    return title


def _lines(prompt: PromptSnapshot | None, width: int) -> Iterator[Line]:
    if prompt is None or prompt.state is AnswerState.NONE:
        for line in wrap_text(_HINT, width):
            yield ((f" {line}", "quiet"),)
        return
    for line in wrap_text(f"> {prompt.prompt}", width):
        yield ((f" {line}", "key"),)
    if prompt.thinking:
        yield from _thinking(prompt, width)
    if prompt.omitted:
        yield ((f" … {prompt.omitted:,} characters before this are left out", "quiet"),)
    if prompt.answer:
        for line in wrap_text(prompt.answer, width):
            yield (f" {line}",)
    if prompt.state in _FAILURES:
        for line in wrap_text(f"▲ {prompt.state.value}: {prompt.reason}", width):
            yield ((f" {line}", "alarm"),)
    elif prompt.state is AnswerState.STOPPED:
        yield ((" ■ stopped", "quiet"),)
    elif prompt.state is AnswerState.COMPLETE and not prompt.answer.strip():
        for line in wrap_text(f"▲ {_why_empty(prompt)}", width):
            yield ((f" {line}", "alarm"),)


def _thinking(prompt: PromptSnapshot, width: int) -> Iterator[Line]:
    yield ((" thinking:", "quiet"),)
    if prompt.omitted_thinking:
        yield ((f" … {prompt.omitted_thinking:,} characters before this are left out", "quiet"),)
    for line in wrap_text(prompt.thinking.strip(), max(width - 2, 1)):
        yield ((f" │ {line}", "quiet"),)
    if prompt.answer:
        yield ((" answer:", "quiet"),)


def _why_empty(prompt: PromptSnapshot) -> str:
    """Return why a response that is complete has no answer."""
    limit = ", up to its limit" if prompt.reason == "length" else ""
    if prompt.thinking:
        return f"no answer: the model only thought, for {prompt.tokens:,} tokens{limit}"
    return f"no answer: the model said nothing{limit}"
