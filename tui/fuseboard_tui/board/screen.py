"""The board: all breakers, the selected one in full, the faults."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult, SystemCommand
from textual.binding import BindingType
from textual.widgets import Input

from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard.engine.commands import SetFault
from fuseboard.snapshot.snapshot import Phase, Snapshot
from fuseboard_tui.board.breaker_selection import BreakerSelection
from fuseboard_tui.board.export import Export
from fuseboard_tui.board.keys import BOARD_KEYS
from fuseboard_tui.board.layout import compose_board, draw_board
from fuseboard_tui.board.navigation import Navigation
from fuseboard_tui.board.notifications import Notifications
from fuseboard_tui.board.palette import board_commands
from fuseboard_tui.board.source_commands import SourceCommands
from fuseboard_tui.screens.fault_controls import FaultControls
from fuseboard_tui.screens.fault_keys import FaultKeysScreen
from fuseboard_tui.text.sanitize import sanitize
from fuseboard_tui.timeline.source import Source
from fuseboard_tui.timeline.timeline import Timeline
from fuseboard_tui.widgets import breakpoints
from fuseboard_tui.widgets.breaker_list import BreakerList
from fuseboard_tui.widgets.transition_list import TransitionList

REDRAWS_PER_SECOND = 4


class BoardScreen(FaultKeysScreen):
    """Draw a snapshot four times a second, and run what the keys in `BOARD_KEYS` stand for.

    The actions only delegate: to the timeline, the selection, the commands to the
    source, the export, and the navigation to other screens.

    Args:
        source: Receives the commands.
        timeline: Provides the snapshots.
        directory: Where exported files are written.
        bell: Whether the terminal's bell rings when a breaker opens.
    """

    BINDINGS: ClassVar[list[BindingType]] = BOARD_KEYS
    AUTO_FOCUS = ""  # keys belong to the board until the filter is opened
    HORIZONTAL_BREAKPOINTS = breakpoints.HORIZONTAL
    VERTICAL_BREAKPOINTS = breakpoints.VERTICAL

    def __init__(
        self, source: Source, timeline: Timeline, directory: Path, *, bell: bool = False
    ) -> None:
        faults = FaultControls(source)
        super().__init__(faults)
        self.snapshot: Snapshot | None = None
        self._timeline = timeline
        self._selection = BreakerSelection()
        self._commands = SourceCommands(source, self._selected_breaker)
        self._navigation = Navigation(self, source, timeline, faults, self._selected_breaker)
        self._notifications = Notifications(self, bell=bell)
        self._export = Export(self, directory)

    def compose(self) -> ComposeResult:
        """Create the widgets."""
        # Textual would add them after the first layout, and style every widget again.
        self.add_class(*breakpoints.class_names(self.app.size), update=False)
        yield from compose_board()

    def on_mount(self) -> None:
        """Begin to draw."""
        self.take_snapshot()
        self.set_interval(1 / REDRAWS_PER_SECOND, self.take_snapshot)

    def on_screen_resume(self) -> None:
        """Redraw at once after another screen was in front."""
        self.call_after_refresh(self.show)

    def on_resize(self) -> None:
        """Redraw in the new size."""
        self.call_after_refresh(self.show)

    def take_snapshot(self) -> None:
        """Draw the timeline's snapshot and notify of news; end the app if the source failed."""
        timeline = self._timeline
        snapshot = timeline.next_snapshot()
        if snapshot.phase is Phase.FAILED:
            self.app.exit(sanitize(snapshot.problem), return_code=2)
            return
        self.snapshot = snapshot
        if not timeline.held:
            self._notifications.notify_opened(snapshot)
        self._notifications.notify_refusals(timeline.refusals)
        self._notifications.notify_silence(timeline.silence, timeline.now)
        self.show()

    def show(self) -> None:
        """Draw the snapshot."""
        snapshot = self.snapshot
        if snapshot is None or not self.is_mounted:
            return
        draw_board(self, snapshot, self._timeline, self._selection, self.faults.selected)

    def _selected_breaker(self) -> BreakerSnapshot | None:
        return self._selection.ensure_selected(self._selection.listed(self.snapshot))

    # Commands to the source

    def palette_commands(self) -> Iterator[SystemCommand]:
        """Yield the palette's entries that have no key."""
        return board_commands(self.snapshot, self.faults, self._commands)

    def action_traffic(self) -> None:
        """Start the traffic, or stop it."""
        self._commands.toggle_traffic()

    def action_rate(self, factor: float) -> None:
        """Multiply the traffic's calls per second."""
        self._commands.scale_rate(factor)

    def action_trip(self) -> None:
        """Open the selected breaker manually."""
        self._commands.trip()

    def action_reset(self) -> None:
        """Close the selected breaker manually."""
        self._commands.reset()

    def action_set_fault(self) -> None:
        """Open the line in which a fault is typed."""
        self._navigation.open_fault_input(self._set_fault)

    def _set_fault(self, command: SetFault | None) -> None:
        if command is not None:
            self.faults.set(command)
            self.show()

    # Time travel

    def action_pause(self) -> None:
        """Hold the shown moment, or go on."""
        self._timeline.toggle_hold()
        self.take_snapshot()

    def action_move(self, seconds: float) -> None:
        """Move through time; `seconds` is negative to move back."""
        self._timeline.move(seconds)
        self.take_snapshot()

    def action_go_to_start(self) -> None:
        """Move to the oldest snapshot."""
        self._timeline.go_to_start()
        self.take_snapshot()

    def action_go_to_end(self) -> None:
        """Move to the newest snapshot."""
        self._timeline.go_to_end()
        self.take_snapshot()

    # Export

    async def action_export(self) -> None:
        """Write the shown snapshot to files."""
        if self.snapshot is not None:
            await self._export.write_snapshot(self.snapshot)

    async def action_save_screenshot(self) -> None:
        """Write an SVG of the screen."""
        await self._export.write_screenshot()

    def action_copy(self) -> None:
        """Copy the selected breaker and the first visible transition to the clipboard."""
        selected = self._selected_breaker()
        if selected is not None:
            self._export.copy(selected, self.query_one(TransitionList).top)

    # The lists

    def action_select(self, step: int) -> None:
        """Move the selection by `step` rows."""
        self._selection.move(self._selection.listed(self.snapshot), step)
        self.show()

    def on_breaker_list_selected(self, message: BreakerList.Selected) -> None:
        """Select the clicked breaker."""
        listed = self._selection.listed(self.snapshot)
        if message.index < len(listed):
            self._selection.name = listed[message.index].name
            self.show()

    def action_sort(self) -> None:
        """List the breakers in the next order."""
        self._selection.order = self._selection.order.next()
        self.show()

    def action_filter(self) -> None:
        """Open the filter."""
        line = self.query_one("#filter", Input)
        line.display = True
        line.focus()

    def action_clear_filter(self) -> None:
        """Close the filter and list all breakers."""
        line = self.query_one("#filter", Input)
        line.value = ""
        line.display = False
        self.set_focus(None)

    def on_input_changed(self, message: Input.Changed) -> None:
        """Apply the filter."""
        self._selection.filter_text = message.value
        self.show()

    def on_input_submitted(self) -> None:
        """Return the keys to the board."""
        self.set_focus(None)

    def action_scroll(self, rows: int) -> None:
        """Scroll the transitions."""
        self.query_one(TransitionList).move(rows)

    # Other screens

    def action_open_transition(self) -> None:
        """Open the first visible transition."""
        self._navigation.open_transition(self.query_one(TransitionList).top)

    def on_transition_list_selected(self, message: TransitionList.Selected) -> None:
        """Open the clicked transition."""
        self._navigation.open_transition(message.index)

    def action_diagram(self) -> None:
        """Open the state diagram."""
        self._navigation.open_state_diagram()

    def action_settings(self) -> None:
        """Open the settings of the selected breaker."""
        self._navigation.open_settings()

    def action_metrics(self) -> None:
        """Open the live exposition."""
        self._navigation.open_metrics()

    def action_log(self) -> None:
        """Open the log."""
        self._navigation.open_log()

    def action_ask(self) -> None:
        """Open the prompt line."""
        self._navigation.open_ask()

    def action_help(self) -> None:
        """Open the help."""
        faults = self.snapshot.faults if self.snapshot else ()
        self._navigation.open_help(list(self._bindings), faults)

    def action_leave(self) -> None:
        """End the app."""
        self.app.exit()
