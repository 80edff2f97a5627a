"""Where the dashboard's pictures come from and where its commands go."""

from __future__ import annotations

from typing import Protocol

from fuseboard.engine.commands import Command
from fuseboard.snapshot.snapshot import Snapshot


class Source(Protocol):
    """An engine, in this process or far away."""

    def snapshot(self) -> Snapshot:
        """Take a picture; must be cheap and must not block."""
        ...

    def send(self, command: Command) -> None:
        """Have a command carried out, soon; must not block."""
        ...
