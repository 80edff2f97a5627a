"""The states of one breaker: where it stands, and what is missing for each way out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from fuseboard.breaker.durations import format_duration
from fuseboard.breaker.policies.base import Gauge
from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard.breaker.state import Mode, State
from fuseboard_tui.screens.help import HelpScreen
from fuseboard_tui.text.glyphs import GLYPHS, state_label
from fuseboard_tui.text.sanitize import sanitize

_DRAWS_PER_SECOND = 4

# The names stand in for the states, which are drawn in their place.
_DIAGRAM = """
   {CLOSED}──── trips ───▶{OPEN}
        ▲                     │   ▲
        │ probes       waited │   │ a probe
        │ succeed             ▼   │ fails
        └─────────────────{HALF_OPEN}
"""


class StateDiagramScreen(ModalScreen[None]):
    """Draws the states of a breaker, again and again.

    Args:
        look: Gives the breaker as it is shown now; `None` if it is no more.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,d,q,ctrl+c", "dismiss", "close", id="close", key_display="Esc"),
        Binding("question_mark,f1", "help", "help", id="help", key_display="?"),
    ]

    def __init__(self, look: Callable[[], BreakerSnapshot | None]) -> None:
        super().__init__()
        self._look = look

    def compose(self) -> ComposeResult:
        """Lay it out."""
        with VerticalScroll(classes="detail") as box:
            box.border_subtitle = "? help  Esc closes"
            yield Static(markup=False)

    def on_mount(self) -> None:
        """Begin to draw."""
        self._draw()
        self.set_interval(1 / _DRAWS_PER_SECOND, self._draw)

    def action_help(self) -> None:
        """Show the keys of this screen."""
        self.app.push_screen(HelpScreen(list(self._bindings)))

    def _draw(self) -> None:
        breaker = self._look()
        if breaker is None:
            self.dismiss()
            return
        self.query_one(VerticalScroll).border_title = Content(sanitize(breaker.name, 60))
        lines = [*_diagram(breaker.state), Content(""), *_ways_out(breaker)]
        self.query_one(Static).update(Content("\n").join(lines))


def _diagram(present: State) -> Iterator[Content]:
    for line in _DIAGRAM.strip("\n").split("\n"):
        drawn = Content("")
        rest = line
        while "{" in rest:
            before, _, rest = rest.partition("{")
            name, _, rest = rest.partition("}")
            state = State[name]
            here = state is present
            label = f"[{GLYPHS[state]} {name}]" if here else f" {GLYPHS[state]} {name} "
            drawn = Content.assemble(drawn, before, (label, "bold reverse" if here else "dim"))
        yield drawn + rest


def _ways_out(breaker: BreakerSnapshot) -> Iterator[Content]:
    yield Content.styled(
        f"{state_label(breaker)} for {format_duration(breaker.seconds_in_state)}", "bold"
    )
    yield Content(f"  {sanitize(breaker.why)}")
    yield Content("")
    for target, words in _steps(breaker):
        name = f"{GLYPHS[target]} {target.name}"
        yield Content.assemble("  → ", (f"{name:<12}", "bold"), f" {words}")


def _steps(breaker: BreakerSnapshot) -> Iterator[tuple[State, str]]:
    if breaker.mode is not Mode.AUTOMATIC:
        yield State.CLOSED, "by hand only: r resets it"
        return
    match breaker.state:
        case State.CLOSED:
            for gauge in breaker.gauges:
                yield State.OPEN, _missing(gauge)
            yield State.OPEN, "by hand: t"
        case State.OPEN:
            left = breaker.retry_after
            waits = f"in {format_duration(left)}" if left is not None else "when its time is over"
            yield State.HALF_OPEN, waits
            yield State.CLOSED, "by hand: r"
        case State.HALF_OPEN:
            missing = breaker.successes_missing or 1
            under_way = f", {breaker.probes} under way" if breaker.probes else ""
            more = "1 more success" if missing == 1 else f"{missing} more successes"
            yield State.CLOSED, f"after {more}{under_way}; by hand: r"
            yield State.OPEN, "after 1 failure; by hand: t"


def _missing(gauge: Gauge) -> str:
    if gauge.ratio:
        return f"when the {gauge.name} reaches {gauge.limit:.0%}; now {gauge.value:.0%}"
    missing = max(gauge.limit - gauge.value, 0)
    return f"after {missing:g} more {gauge.name}; {gauge.value:g} of {gauge.limit:g} so far"
