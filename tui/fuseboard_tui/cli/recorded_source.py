"""A source whose run is recorded."""

from __future__ import annotations

from msgspec.structs import replace

from fuseboard.engine.commands import Command
from fuseboard.recording.recorder import Recorder
from fuseboard.snapshot.snapshot import Snapshot
from fuseboard_tui.board.source import Source


class RecordedSource:
    """Passes everything on, and tells if the recording has ended before its time."""

    def __init__(self, source: Source, recorder: Recorder) -> None:
        self._source = source
        self._recorder = recorder

    def snapshot(self) -> Snapshot:
        """Take a picture; what is wrong with the recording is its first notice."""
        seen = self._source.snapshot()
        if not self._recorder.problem:
            return seen
        return replace(seen, notices=(self._recorder.problem, *seen.notices))

    def send(self, command: Command) -> None:
        """Have a command carried out, soon."""
        self._source.send(command)
