"""Which models are loaded, and whose turn it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fuseboard.simulator.errors import RefusedError
from fuseboard.simulator.keep_alive import DEFAULT_KEEP_ALIVE
from fuseboard.simulator.models import Model
from fuseboard.simulator.settings import SimulatorSettings


@dataclass(slots=True)
class Runner:
    """A model in memory."""

    turns: asyncio.Semaphore
    """Held by whoever has it work."""
    loaded_at: float
    """On the clock of the event loop; may be yet to come."""
    keep_alive: float = DEFAULT_KEEP_ALIVE
    """Seconds from the last use on."""
    users: int = field(default=0, init=False)
    idle_since: float = field(default=0.0, init=False)

    def seconds_left(self, now: float) -> float:
        """Tell how long it stays loaded if nobody comes."""
        return self.keep_alive if self.users else self.idle_since + self.keep_alive - now


class Scheduler:
    """Loads models for those who ask, and unloads those that nobody has asked for long enough.

    There is no timer: what is over is noticed by whoever looks. Belongs to one event loop.
    """

    def __init__(self, settings: SimulatorSettings) -> None:
        self._settings = settings
        self._runners: dict[Model, Runner] = {}

    @asynccontextmanager
    async def loaded(self, model: Model, keep_alive: float | None) -> AsyncIterator[Runner]:
        """Have a model loaded; whoever has it work takes one of its turns besides.

        Args:
            model: The model.
            keep_alive: How long it shall stay afterwards, seconds; `None` changes nothing.

        Raises:
            RefusedError: If too many wait already.
        """
        loop = asyncio.get_running_loop()
        runner = self._runner(model, loop.time())
        self._refuse_if_too_many_wait(runner)
        if keep_alive is not None:
            runner.keep_alive = keep_alive
        runner.users += 1
        try:
            await asyncio.sleep(max(0.0, runner.loaded_at - loop.time()))
            yield runner
        finally:
            runner.users -= 1
            runner.idle_since = loop.time()

    def unload(self, model: Model) -> None:
        """Unload a model as soon as nobody uses it."""
        if runner := self._runners.get(model):
            runner.keep_alive = 0.0

    def seconds_left(self) -> dict[Model, float]:
        """Tell how long each loaded model stays if nobody comes, the longest first."""
        now = asyncio.get_running_loop().time()
        self._unload_expired(now)
        left = {
            model: runner.seconds_left(now)
            for model, runner in self._runners.items()
            if runner.loaded_at <= now
        }
        return dict(sorted(left.items(), key=lambda item: item[1], reverse=True))

    def _runner(self, model: Model, now: float) -> Runner:
        self._unload_expired(now)
        if model not in self._runners:
            self._runners[model] = Runner(
                asyncio.Semaphore(self._settings.parallel), now + self._settings.load_seconds
            )
        return self._runners[model]

    def _unload_expired(self, now: float) -> None:
        for model, runner in list(self._runners.items()):
            if not runner.users and runner.seconds_left(now) <= 0:
                del self._runners[model]

    def _refuse_if_too_many_wait(self, runner: Runner) -> None:
        parallel = self._settings.parallel
        waiting = sum(max(0, each.users - parallel) for each in self._runners.values())
        if runner.users >= parallel and waiting >= self._settings.max_queue:
            raise RefusedError(
                503, "server busy, please try again.  maximum pending requests exceeded"
            )
