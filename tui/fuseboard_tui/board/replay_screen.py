"""The board, fed by a recorded run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

from textual.binding import Binding, BindingType

from fuseboard.engine.commands import Command
from fuseboard.recording.replay import Replay
from fuseboard.snapshot.snapshot import Snapshot
from fuseboard_tui.board.screen import BoardScreen
from fuseboard_tui.board.timeline import Recorded


class ReplayScreen(BoardScreen):
    """Draws a replay; what would command an engine says that there is none."""

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

    def __init__(self, replay: Replay, directory: Path = Path()) -> None:
        super().__init__(_OnlyWatched(replay, self.action_refuse), Recorded(replay), directory)
        self._replay = replay

    def on_mount(self) -> None:
        """Begin to play only now that there is a screen."""
        self._replay.go_to_start()
        if self._replay.cut_off:
            self.notify("the recording was cut off: it plays to where it ends", markup=False)

    def commands(self) -> Iterator[tuple[Callable[[], object], str, str]]:
        """Give nothing beside what has a key: there is no engine to command."""
        yield from ()

    def action_metrics(self) -> None:
        """Say that nobody scrapes a recording; its port may be somebody else's by now."""
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
        """Say that nothing can be commanded."""
        self.notify("this is a replay: there is no engine to command", markup=False)


class _OnlyWatched:
    """A replay as a source, which takes no commands."""

    def __init__(self, replay: Replay, refuse: Callable[[], None]) -> None:
        self._replay = replay
        self._refuse = refuse

    def snapshot(self) -> Snapshot:
        """Give the picture of this moment of the replay."""
        return self._replay.snapshot()

    def send(self, command: Command) -> None:  # noqa: ARG002
        """Say that nothing can be commanded."""
        self._refuse()
