"""The board: all breakers, the chosen one in full, the faults."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical
from textual.widgets import Input

from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard.breaker.state import State
from fuseboard.engine.commands import (
    DisableBreaker,
    PlayScenario,
    ResetBreaker,
    RunTraffic,
    SetFault,
    SetRate,
    TripBreaker,
)
from fuseboard.faults.scenarios.scenario import BUILT_IN as SCENARIOS
from fuseboard.faults.scenarios.scenario import find_scenario
from fuseboard.snapshot.codec import encode
from fuseboard.snapshot.csv_export import breakers_table, transitions_table
from fuseboard.snapshot.snapshot import Phase, Refusal, Snapshot
from fuseboard_tui.board import breakpoints
from fuseboard_tui.board.breaker_choice import BreakerChoice
from fuseboard_tui.board.copied_text import breaker_line, transition_line
from fuseboard_tui.board.fault_controls import FaultControls
from fuseboard_tui.board.keys import BOARD_KEYS
from fuseboard_tui.board.new_files import write_new
from fuseboard_tui.board.open_alerts import OpenAlerts
from fuseboard_tui.board.source import Source
from fuseboard_tui.board.timeline import Timeline
from fuseboard_tui.screens.ask import AskScreen
from fuseboard_tui.screens.fault_keys import FaultKeysScreen
from fuseboard_tui.screens.fault_line import FaultLineScreen
from fuseboard_tui.screens.help import HelpScreen
from fuseboard_tui.screens.log import LogScreen
from fuseboard_tui.screens.settings import SettingsScreen
from fuseboard_tui.screens.state_diagram import StateDiagramScreen
from fuseboard_tui.screens.transition_detail import TransitionScreen
from fuseboard_tui.text.glyphs import GLYPHS
from fuseboard_tui.text.sanitize import sanitize
from fuseboard_tui.widgets.breaker_list import BreakerList
from fuseboard_tui.widgets.breaker_panel import BreakerPanel
from fuseboard_tui.widgets.fault_list import FaultList
from fuseboard_tui.widgets.header_line import HeaderLine
from fuseboard_tui.widgets.keys_footer import KeysFooter
from fuseboard_tui.widgets.notice_line import NOTABLE_SILENCE, NoticeLine, silence_words
from fuseboard_tui.widgets.resource_panel import ResourcePanel
from fuseboard_tui.widgets.state_strip import StateStrip
from fuseboard_tui.widgets.too_small import TooSmall
from fuseboard_tui.widgets.transition_list import TransitionList

REDRAWS_PER_SECOND = 4
_LEAST_RATE, _MOST_RATE = 0.125, 1024.0  # calls a second

_logger = logging.getLogger(__name__)


class BoardScreen(FaultKeysScreen):
    """Draws the newest snapshot four times a second and turns keys into commands."""

    BINDINGS: ClassVar[list[BindingType]] = BOARD_KEYS

    AUTO_FOCUS = ""  # the keys are the board's until the filter is asked for
    HORIZONTAL_BREAKPOINTS = breakpoints.HORIZONTAL
    VERTICAL_BREAKPOINTS = breakpoints.VERTICAL

    def __init__(
        self,
        source: Source,
        timeline: Timeline,
        directory: Path,
        *,
        bell: bool = False,
    ) -> None:
        super().__init__(FaultControls(source))
        self.snapshot: Snapshot | None = None
        self._source = source
        self._timeline = timeline
        self._directory = directory
        self._rings = bell
        self._choice = BreakerChoice()
        self._openings = OpenAlerts()
        self._refusals: Sequence[Refusal] | None = None
        self._silent = False

    def compose(self) -> ComposeResult:
        """Lay the board out."""
        yield HeaderLine(id="header")
        yield NoticeLine(id="notice")
        yield TooSmall(id="too-small")
        with Container(id="board"):
            with Vertical(id="left"):
                yield Input(id="filter", placeholder="letters in a name", compact=True)
                yield BreakerList(id="breakers", title="Breakers")
                yield ResourcePanel(id="resources", title="Traffic, pool, cache")
                yield FaultList(id="faults", title="Faults")
            with Vertical(id="right"):
                yield BreakerPanel(id="panel")
                yield StateStrip(id="strip", title="State, last 5 min")
                yield TransitionList(id="transitions", title="Transitions")
        yield KeysFooter()

    def on_mount(self) -> None:
        """Begin to draw."""
        self.take_snapshot()
        self.set_interval(1 / REDRAWS_PER_SECOND, self.take_snapshot)

    def on_screen_resume(self) -> None:
        """Draw at once after another screen was in front."""
        self.call_after_refresh(self.show)

    def on_resize(self) -> None:
        """Draw in the new size."""
        self.call_after_refresh(self.show)

    def take_snapshot(self) -> None:
        """Draw the snapshot of the moment that is shown, and which moment that is."""
        seen = self._timeline.look()
        if seen.phase is Phase.FAILED:
            self.app.exit(sanitize(seen.problem), return_code=2)
            return
        self.snapshot = seen
        if not self._timeline.held:
            for breaker in self._openings.news(seen):
                self._announce(breaker)
            self.app.title = _title(seen)
        self._announce_refusals()
        self._announce_silence()
        self.show()

    def show(self) -> None:
        """Draw the snapshot."""
        snapshot = self.snapshot
        if snapshot is None or not self.is_mounted:
            return
        shown = self._choice.arranged(snapshot)
        chosen = self._choice.ensure_chosen(shown)
        with self.app.batch_update():
            self.query_one(HeaderLine).show(snapshot, self._timeline.badge)
            self.query_one(NoticeLine).show(snapshot, self._timeline.silence, self._timeline.now)
            self.query_one(TooSmall).show(snapshot)
            title = self._choice.title(len(shown), len(snapshot.breakers))
            self.query_one(BreakerList).show(snapshot, shown, self._choice.name, title)
            self.query_one(ResourcePanel).show(snapshot)
            self.query_one(BreakerPanel).show(snapshot, chosen)
            self.query_one(StateStrip).show(snapshot, chosen)
            self.query_one(TransitionList).show(chosen)
            self.query_one(FaultList).show(snapshot, self.switches.selected)

    def _announce(self, breaker: BreakerSnapshot) -> None:
        self.notify(
            sanitize(breaker.why, 100),
            title=f"{sanitize(breaker.name, 40)} is OPEN",
            severity="error",
            markup=False,
        )
        if self._rings:
            self.app.bell()

    def _announce_refusals(self) -> None:
        """Say which commands were not carried out since the last look."""
        refusals = self._timeline.refusals
        told = refusals if self._refusals is None else self._refusals
        self._refusals = refusals
        for refusal in refusals:
            if refusal not in told:
                self.notify(
                    sanitize(refusal.message, 200),
                    title="refused",
                    severity="warning",
                    markup=False,
                )

    def _announce_silence(self) -> None:
        """Say on the screens in front of the board, too, that there is no news any more."""
        silence = self._timeline.silence
        silent = silence >= NOTABLE_SILENCE
        if silent and not self._silent and self.app.screen is not self:
            self.notify(silence_words(silence, self._timeline.now), severity="error", markup=False)
        self._silent = silent

    def _chosen_breaker(self) -> BreakerSnapshot | None:
        return self._choice.ensure_chosen(self._choice.arranged(self.snapshot))

    def commands(self) -> Iterator[tuple[Callable[[], object], str, str]]:
        """Give what the palette offers beside the keys: what to run, its title, what it does."""
        for fault in self.snapshot.faults if self.snapshot else ():
            title = f"{'Mend' if fault.active else 'Break'}: {fault.label}"
            yield partial(self.switches.toggle, fault.name), title, fault.description
        for name in SCENARIOS:
            words = "faults strung over time; switching every fault off ends it"
            yield partial(self._play, name), f"Scenario: {name}", words
        yield self.action_disable, "Disable", "let every call through the chosen breaker"

    # Keys

    def on_breaker_list_chosen(self, message: BreakerList.Chosen) -> None:
        """Choose the breaker that was clicked."""
        shown = self._choice.arranged(self.snapshot)
        if message.index < len(shown):
            self._choice.name = shown[message.index].name
            self.show()

    def on_input_changed(self, message: Input.Changed) -> None:
        """Show the breakers whose names contain what is typed."""
        self._choice.wanted = message.value
        self.show()

    def on_input_submitted(self) -> None:
        """Give the keys back to the board."""
        self.set_focus(None)

    def _play(self, scenario: str) -> None:
        self._source.send(PlayScenario(find_scenario(scenario)))

    def action_set_fault(self) -> None:
        """Type a fault, beginning with the one that was switched last."""
        self.app.push_screen(FaultLineScreen(self.switches.spell()), self._set_fault)

    def _set_fault(self, command: SetFault | None) -> None:
        if command is not None:
            self.switches.set(command)
            self.show()

    def action_traffic(self) -> None:
        """Start the traffic, or stop it."""
        traffic = self._source.snapshot().traffic
        if traffic is not None:
            self._source.send(RunTraffic(not traffic.running))

    def action_rate(self, factor: float) -> None:
        """Have more calls a second, or fewer."""
        traffic = self._source.snapshot().traffic
        if traffic is not None:
            rate = min(max(traffic.rate * factor, _LEAST_RATE), _MOST_RATE)
            self._source.send(SetRate(rate))

    def action_disable(self) -> None:
        """Let every call through the chosen breaker."""
        chosen = self._chosen_breaker()
        if chosen is not None:
            self._source.send(DisableBreaker(chosen.name))

    def action_trip(self) -> None:
        """Open the chosen breaker by hand."""
        chosen = self._chosen_breaker()
        if chosen is not None:
            self._source.send(TripBreaker(chosen.name))

    def action_reset(self) -> None:
        """Close the chosen breaker by hand."""
        chosen = self._chosen_breaker()
        if chosen is not None:
            self._source.send(ResetBreaker(chosen.name))

    def action_pause(self) -> None:
        """Hold the screen as it is, or go on."""
        self._timeline.hold_or_go_on()
        self.take_snapshot()

    def action_move(self, seconds: float) -> None:
        """Hold the screen, and show an earlier or a later moment."""
        self._timeline.move(seconds)
        self.take_snapshot()

    def action_go_to_start(self) -> None:
        """Hold the screen at the oldest moment."""
        self._timeline.go_to_start()
        self.take_snapshot()

    def action_go_to_end(self) -> None:
        """Hold the screen at the newest moment."""
        self._timeline.go_to_end()
        self.take_snapshot()

    async def action_export(self) -> None:
        """Write history and counters of the moment that is shown."""
        if self.snapshot is None:
            return
        try:
            json = encode(self.snapshot, indented=True).decode() + "\n"
        except ValueError as error:
            self.notify(sanitize(f"cannot write: {error}"), severity="error", markup=False)
            return
        await self._write(
            {
                ".json": json,
                "-breakers.csv": breakers_table(self.snapshot),
                "-transitions.csv": transitions_table(self.snapshot),
            }
        )

    async def action_save_picture(self) -> None:
        """Write a picture of the screen."""
        await self._write({".svg": self.app.export_screenshot(title="fuseboard")})

    async def _write(self, contents: Mapping[str, str]) -> None:
        """Write files and say which, or why not."""
        now = datetime.now().astimezone()
        try:
            paths = await asyncio.to_thread(write_new, self._directory, contents, now)
        except OSError as error:
            said = sanitize(f"cannot write {error.filename}: {error.strerror}")
            _logger.warning(said)
            self.notify(said, severity="error", markup=False)
        else:
            first, *others = paths
            beside = "".join(f", {path.name}" for path in others)
            self.notify(sanitize(f"wrote {first}{beside}"), markup=False)

    def action_copy(self) -> None:
        """Copy the chosen breaker and a transition to the clipboard."""
        chosen = self._chosen_breaker()
        if chosen is None:
            return
        lines = [breaker_line(chosen)]
        newest_first = chosen.history[::-1]
        lines += map(transition_line, newest_first[self.query_one(TransitionList).top :][:1])
        self.app.copy_to_clipboard("\n".join(lines))
        self.notify(f"copied {sanitize(chosen.name, 40)}", markup=False)

    def action_choose(self, step: int) -> None:
        """Choose the next breaker, or the one before."""
        self._choice.move(self._choice.arranged(self.snapshot), step)
        self.show()

    def action_sort(self) -> None:
        """Show the breakers in the next order."""
        self._choice.order = self._choice.order.next()
        self.show()

    def action_filter(self) -> None:
        """Type what the names of the breakers shall contain."""
        line = self.query_one("#filter", Input)
        line.display = True
        line.focus()

    def action_unfilter(self) -> None:
        """Show all breakers again."""
        line = self.query_one("#filter", Input)
        line.value = ""
        line.display = False
        self.set_focus(None)

    def action_scroll(self, rows: int) -> None:
        """Move through the transitions."""
        self.query_one(TransitionList).move(rows)

    def action_open_transition(self) -> None:
        """Show the calls that led to the transition on top of the list."""
        self._open_transition(self.query_one(TransitionList).top)

    def on_transition_list_chosen(self, message: TransitionList.Chosen) -> None:
        """Show the calls that led to the transition that was clicked."""
        self._open_transition(message.index)

    def _open_transition(self, index: int) -> None:
        chosen = self._chosen_breaker()
        if chosen is not None and index < len(chosen.history):
            newest_first = chosen.history[::-1]
            self.app.push_screen(TransitionScreen(chosen.name, newest_first, index))

    def action_diagram(self) -> None:
        """Show the states of the chosen breaker."""
        if self._chosen_breaker() is not None:
            self.app.push_screen(StateDiagramScreen(self._chosen_breaker))

    def action_settings(self) -> None:
        """Show the settings of the chosen breaker, as they are now though the screen is held."""
        chosen = self._chosen_breaker()
        if chosen is not None:
            look = partial(self._breaker_now, chosen.name)
            self.app.push_screen(SettingsScreen(chosen.name, look, self._source.send))

    def _breaker_now(self, name: str) -> BreakerSnapshot | None:
        return self._timeline.newest.breaker(name)

    def action_metrics(self) -> None:
        """Show the live exposition."""
        # Brings httpx, which takes as long to import as the board: only when asked for.
        from fuseboard_tui.screens.metrics import MetricsScreen

        self.app.push_screen(MetricsScreen(lambda: self._source.snapshot().metrics_url))

    def action_log(self) -> None:
        """Show what the program has to say."""
        self.app.push_screen(LogScreen(lambda: self._timeline.newest.log))

    def action_ask(self) -> None:
        """Put a prompt to the model, whatever moment is shown here."""
        self.app.push_screen(AskScreen(self._source, self._timeline, self.switches))

    def action_help(self) -> None:
        """Show the keys of this screen."""
        faults = self.snapshot.faults if self.snapshot else ()
        self.app.push_screen(HelpScreen(list(self._bindings), faults))

    def action_leave(self) -> None:
        """Leave the program."""
        self.app.exit()


def _title(snapshot: Snapshot) -> str:
    """Say in the terminal's title which breakers are open, first of all."""
    opened = [breaker.name for breaker in snapshot.breakers if breaker.state is State.OPEN]
    if not opened:
        return "fuseboard"
    more = f" and {len(opened) - 1} more" if len(opened) > 1 else ""
    return f"{GLYPHS[State.OPEN]} {sanitize(opened[0], 40)}{more} OPEN · fuseboard"
