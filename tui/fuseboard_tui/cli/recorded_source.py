"""A source whose run is recorded."""

from __future__ import annotations

from msgspec.structs import replace

from fuseboard.engine.commands import Command
from fuseboard.recording.recorder import Recorder
from fuseboard.snapshot.snapshot import Snapshot
from fuseboard_tui.board.source import Source


class RecordedSource:
    """A source whose snapshots begin their notices with what is wrong with the recording."""

    def __init__(self, source: Source, recorder: Recorder) -> None:
        self._source = source
        self._recorder = recorder

    def snapshot(self) -> Snapshot:
        """Return the snapshot of the source, with a notice if the recording has ended early."""
        snapshot = self._source.snapshot()
        if not self._recorder.problem:
            return snapshot
        return replace(snapshot, notices=(self._recorder.problem, *snapshot.notices))

    def send(self, command: Command) -> None:
        """Send a command to the source."""
        self._source.send(command)
