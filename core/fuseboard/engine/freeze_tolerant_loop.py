"""An event loop whose time stands still while the process does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

_NOTABLE_GAP = 1.0  # seconds between two looks at the clock, which the engine's heartbeat makes due


class FreezeTolerantLoop(asyncio.SelectorEventLoop):
    """A loop whose deadlines are put off by the time in which nobody could keep them.

    After a minute in which the process was stopped (SIGSTOP, Ctrl+Z, a paused
    container), all deadlines of the calls under way would be over before their
    responses, which have arrived meanwhile, are read: failures of ours that would
    open the breakers of a service that is well. Breakers have a clock of their own.

    Something must wake the loop several times a second, or its rest counts as a stop.

    Args:
        clock: Monotonic, seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen = clock()
        self._frozen = 0.0
        super().__init__()

    def time(self) -> float:
        """Return the time, in seconds, without those that were lost to stops."""
        now = self._clock()
        if now - self._seen > _NOTABLE_GAP:
            self._frozen += now - self._seen
        self._seen = now
        return now - self._frozen
