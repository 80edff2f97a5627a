"""The board of a recorded run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

from textual.app import SystemCommand
from textual.binding import Binding, BindingType

from fuseboard.engine.commands import Command
from fuseboard.recording.replay import Replay
from fuseboard.snapshot.snapshot import Snapshot
from fuseboard_tui.board.screen import BoardScreen
from fuseboard_tui.timeline.timeline import ReplayTimeline


class ReplayScreen(BoardScreen):
    """Draw a replay; keys that would command an engine are refused with a notification."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "space,p",
            "pause",
            "pause",
            id="pause",
            key_display="space",
            tooltip="pause the replay, or go on",
        ),
        Binding("left", "move(-5)", "5 s", id="back", key_display="←/→", tooltip="5 seconds back"),
        Binding("right", "move(5)", "5 seconds on", id="forth", show=False),
        Binding("shift+left", "move(-60)", "a minute back", id="far_back", show=False),
        Binding("shift+right", "move(60)", "a minute on", id="far_forth", show=False),
        Binding("home", "go_to_start", "the start of the recording", id="start", show=False),
        Binding("end", "go_to_end", "the end of the recording", id="end", show=False),
        Binding(
            "less_than_sign", "slower", "speed", id="slower", key_display="< >", tooltip="slower"
        ),
        Binding("greater_than_sign", "faster", "faster", id="faster", show=False),
        Binding(
            "t,r,f,0,plus,equals_sign,minus,left_square_bracket,right_square_bracket",
            "refuse",
            "nothing: a replay has no engine to command",
            id="refuse",
            show=False,
        ),
    ]

    def __init__(self, replay: Replay, directory: Path = Path(), *, bell: bool = False) -> None:
        source = _ReplaySource(replay, self.action_refuse)
        super().__init__(source, ReplayTimeline(replay), directory, bell=bell)
        self._replay = replay

    def on_mount(self) -> None:
        """Start the replay, now that it can be seen."""
        self._replay.go_to_start()
        if self._replay.cut_off:
            self.notify("the recording was cut off: it plays to where it ends", markup=False)

    def palette_commands(self) -> Iterator[SystemCommand]:
        """Yield nothing: there is no engine to command."""
        yield from ()

    def action_metrics(self) -> None:
        """Notify that a replay has no endpoint; another program may use the recorded port."""
        self.notify("this is a replay: it has no /metrics", markup=False)

    def action_faster(self) -> None:
        """Double the speed."""
        self._replay.faster()
        self.take_snapshot()

    def action_slower(self) -> None:
        """Halve the speed."""
        self._replay.slower()
        self.take_snapshot()

    def action_refuse(self) -> None:
        """Notify that there is no engine to command."""
        self.notify("this is a replay: there is no engine to command", markup=False)


class _ReplaySource:
    """A source of the replay's snapshots that refuses every command."""

    def __init__(self, replay: Replay, refuse: Callable[[], None]) -> None:
        self._replay = replay
        self._refuse = refuse

    def snapshot(self) -> Snapshot:
        """Return the snapshot at the replay's present position."""
        return self._replay.snapshot()

    def send(self, command: Command) -> None:  # noqa: ARG002
        """Refuse the command."""
        self._refuse()
