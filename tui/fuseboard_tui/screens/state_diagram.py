"""The state diagram of one breaker: present state, and what each transition still takes."""

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
from fuseboard.breaker.shares import format_share
from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard.breaker.state import Mode, State
from fuseboard_tui.screens.help import HelpScreen
from fuseboard_tui.text.glyphs import GLYPHS, state_label
from fuseboard_tui.text.sanitize import sanitize
from fuseboard_tui.widgets import breakpoints

_DRAWS_PER_SECOND = 4

# Each name in braces is replaced by a drawing of that state.
_DIAGRAM = """
   {CLOSED}──── trips ───▶{OPEN}
        ▲                     │   ▲
        │ probes       waited │   │ a probe
        │ succeed             ▼   │ fails
        └─────────────────{HALF_OPEN}
"""


class StateDiagramScreen(ModalScreen[None]):
    """Draw the state diagram of a breaker four times a second.

    Args:
        get_breaker: Returns the breaker as the board shows it; `None` if it no longer exists.
    """

    HORIZONTAL_BREAKPOINTS = breakpoints.HORIZONTAL
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,d,q,ctrl+c", "dismiss", "close", id="close", key_display="Esc"),
        Binding("question_mark,f1", "help", "help", id="help", key_display="?"),
    ]

    def __init__(self, get_breaker: Callable[[], BreakerSnapshot | None]) -> None:
        super().__init__()
        self._get_breaker = get_breaker

    def compose(self) -> ComposeResult:
        """Create the widgets."""
        with VerticalScroll(classes="detail") as box:
            box.border_subtitle = "? help  Esc closes"
            yield Static(markup=False)

    def on_mount(self) -> None:
        """Begin to draw."""
        self.show()
        self.set_interval(1 / _DRAWS_PER_SECOND, self.show)

    def action_help(self) -> None:
        """Open the help."""
        self.app.push_screen(HelpScreen(list(self._bindings)))

    def show(self) -> None:
        """Draw the present state of the breaker; close if it no longer exists."""
        breaker = self._get_breaker()
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
    for target, condition in _transitions_from(breaker):
        name = f"{GLYPHS[target]} {target.name}"
        yield Content.assemble("  → ", (f"{name:<12}", "bold"), f" {condition}")


def _transitions_from(breaker: BreakerSnapshot) -> Iterator[tuple[State, str]]:
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
            condition = (
                f"in {format_duration(left)}" if left is not None else "when its time is over"
            )
            yield State.HALF_OPEN, condition
            yield State.CLOSED, "by hand: r"
        case State.HALF_OPEN:
            missing = breaker.successes_missing or 1
            under_way = f", {breaker.probes} under way" if breaker.probes else ""
            more = "1 more success" if missing == 1 else f"{missing} more successes"
            yield State.CLOSED, f"after {more}{under_way}; by hand: r"
            yield State.OPEN, "after 1 failure; by hand: t"


def _missing(gauge: Gauge) -> str:
    name = sanitize(gauge.name, 40)
    if gauge.ratio:
        return f"when the {name} reaches {gauge.limit:.0%}; now {format_share(gauge.value)}"
    missing = max(gauge.limit - gauge.value, 0)
    return f"after {missing:g} more {name}; {gauge.value:g} of {gauge.limit:g} so far"
