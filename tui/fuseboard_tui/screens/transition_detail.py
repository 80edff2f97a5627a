"""One transition in full: its reason, and the calls that led to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from fuseboard.breaker.durations import format_duration
from fuseboard.breaker.records import Failure, Transition
from fuseboard_tui.screens.help import HelpScreen
from fuseboard_tui.text.glyphs import GLYPHS
from fuseboard_tui.text.sanitize import sanitize
from fuseboard_tui.widgets import breakpoints


class TransitionDetailScreen(ModalScreen[None]):
    """Show a transition of a breaker; keys move to the others.

    Args:
        breaker: The breaker's name.
        transitions: Its transitions, the newest first; at least one.
        index: Which of them to show first.
    """

    HORIZONTAL_BREAKPOINTS = breakpoints.HORIZONTAL
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q,ctrl+c", "dismiss", "close", id="close", key_display="Esc"),
        Binding("down,j", "move(1)", "older", id="older", key_display="↓"),
        Binding("up,k", "move(-1)", "newer", id="newer", key_display="↑"),
        Binding("question_mark,f1", "help", "help", id="help", key_display="?"),
    ]

    def __init__(self, breaker: str, transitions: Sequence[Transition], index: int) -> None:
        super().__init__()
        self._breaker = breaker
        self._transitions = transitions
        self._index = min(max(index, 0), len(transitions) - 1)

    def compose(self) -> ComposeResult:
        """Create the widgets."""
        with VerticalScroll(classes="detail"):
            yield Static(markup=False)

    def on_mount(self) -> None:
        """Draw the first one."""
        self._show()

    def action_help(self) -> None:
        """Open the help."""
        self.app.push_screen(HelpScreen(list(self._bindings)))

    def action_move(self, step: int) -> None:
        """Show an older transition, or a newer one if `step` is negative."""
        self._index = min(max(self._index + step, 0), len(self._transitions) - 1)
        self._show()

    def _show(self) -> None:
        box = self.query_one(VerticalScroll)
        box.border_title = Content(
            f"{sanitize(self._breaker, 40)}, transition {self._index + 1}"
            f" of {len(self._transitions)}"
        )
        box.border_subtitle = "↑ newer  ↓ older  ? help  Esc closes"
        lines = list(_lines(self._transitions[self._index]))
        self.query_one(Static).update(Content("\n").join(lines))
        box.scroll_home(animate=False)


def _lines(transition: Transition) -> Iterator[Content]:
    before, after = transition.from_state, transition.to_state
    at = datetime.fromtimestamp(transition.at).astimezone()
    yield Content.assemble(
        f"{at:%Y-%m-%d %H:%M:%S}   {GLYPHS[before]} {before.name} → ",
        (f"{GLYPHS[after]} {after.name}", "bold"),
    )
    yield Content(sanitize(transition.reason))
    yield Content("")
    if not transition.causes:
        yield Content("No failed call led to it.")
        return
    count = len(transition.causes)
    yield Content.styled(f"The {'call' if count == 1 else f'{count} calls'} that led to it", "bold")
    for failure in transition.causes:
        yield _line(failure, transition.at)


def _line(failure: Failure, transition_at: float) -> Content:
    at = datetime.fromtimestamp(failure.at).astimezone()
    before = f"-{format_duration(max(transition_at - failure.at, 0.0))}"
    return Content(
        f"  {at:%H:%M:%S}  {before:>12}  took {format_duration(failure.seconds):>10}  "
        f"{sanitize(failure.reason)}"
    )
