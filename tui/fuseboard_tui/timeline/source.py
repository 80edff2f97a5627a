"""The interface between the dashboard and what it shows."""

from __future__ import annotations

from typing import Protocol

from fuseboard.engine.commands import Command
from fuseboard.snapshot.snapshot import Snapshot


class Source(Protocol):
    """What provides snapshots and receives commands; an engine, for example."""

    def snapshot(self) -> Snapshot:
        """Return the present state; must be cheap and must not block."""
        ...

    def send(self, command: Command) -> None:
        """Queue a command for execution; must not block."""
        ...
