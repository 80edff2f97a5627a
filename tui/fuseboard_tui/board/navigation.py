"""The screens that the board opens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from textual.binding import Binding
from textual.screen import Screen

from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard.engine.commands import SetFault
from fuseboard.snapshot.snapshot import FaultSnapshot
from fuseboard_tui.screens.fault_controls import FaultControls
from fuseboard_tui.timeline.source import Source
from fuseboard_tui.timeline.timeline import Timeline

# Each screen is imported when it is opened, so that the board appears sooner.


class Navigation:
    """Open other screens in front of the board.

    A screen about a breaker is not opened where none is selected.

    Args:
        board: The board.
        source: The source of the board.
        timeline: The timeline of the board.
        faults: The fault controls of the board.
        selected: Returns the selected breaker.
    """

    def __init__(
        self,
        board: Screen[None],
        source: Source,
        timeline: Timeline,
        faults: FaultControls,
        selected: Callable[[], BreakerSnapshot | None],
    ) -> None:
        self._board = board
        self._source = source
        self._timeline = timeline
        self._faults = faults
        self._selected = selected

    def open_transition(self, index: int) -> None:
        """Open a transition of the selected breaker; `index` is 0 for the newest."""
        selected = self._selected()
        if selected is None or index >= len(selected.history):
            return
        from fuseboard_tui.screens.transition_detail import TransitionDetailScreen

        newest_first = selected.history[::-1]
        self._board.app.push_screen(TransitionDetailScreen(selected.name, newest_first, index))

    def open_state_diagram(self) -> None:
        """Open the state diagram of the selected breaker."""
        if self._selected() is None:
            return
        from fuseboard_tui.screens.state_diagram import StateDiagramScreen

        self._board.app.push_screen(StateDiagramScreen(self._selected))

    def open_settings(self) -> None:
        """Open the settings of the selected breaker: the present ones, even on a held board."""
        selected = self._selected()
        if selected is None:
            return
        from fuseboard_tui.screens.settings import SettingsScreen

        name = selected.name
        self._board.app.push_screen(
            SettingsScreen(name, lambda: self._timeline.newest.breaker(name), self._source.send)
        )

    def open_metrics(self) -> None:
        """Open the live exposition."""
        from fuseboard_tui.screens.metrics import MetricsScreen

        self._board.app.push_screen(MetricsScreen(lambda: self._source.snapshot().metrics_url))

    def open_log(self) -> None:
        """Open the log."""
        from fuseboard_tui.screens.log import LogScreen

        self._board.app.push_screen(LogScreen(lambda: self._timeline.newest.log))

    def open_ask(self) -> None:
        """Open the prompt line."""
        from fuseboard_tui.screens.ask import AskScreen

        self._board.app.push_screen(AskScreen(self._source, self._timeline, self._faults))

    def open_fault_input(self, on_fault: Callable[[SetFault | None], None]) -> None:
        """Open the line in which a fault is typed; it begins with the selected fault.

        Args:
            on_fault: Called with the typed command, or `None` if the user leaves the line.
        """
        from fuseboard_tui.screens.fault_input import FaultInputScreen

        screen = FaultInputScreen(self._faults.selected_notation())
        self._board.app.push_screen(screen, on_fault)

    def open_help(
        self, bindings: Iterable[tuple[str, Binding]], faults: Sequence[FaultSnapshot]
    ) -> None:
        """Open the help on bindings and faults."""
        from fuseboard_tui.screens.help import HelpScreen

        self._board.app.push_screen(HelpScreen(bindings, faults))
