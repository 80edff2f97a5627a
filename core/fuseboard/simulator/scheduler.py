"""Loading and unloading models, and the queue for their slots."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fuseboard.simulator.errors import ApiError
from fuseboard.simulator.keep_alive import DEFAULT_KEEP_ALIVE
from fuseboard.simulator.models import Model
from fuseboard.simulator.settings import SimulatorSettings


@dataclass(slots=True)
class Runner:
    """A loaded model, or one that is being loaded."""

    slots: asyncio.Semaphore
    """Acquired by each request while the model processes it."""
    loaded_at: float
    """The time at which loading ends, on the event loop's clock."""
    keep_alive: float = DEFAULT_KEEP_ALIVE
    """Seconds that it stays loaded after its last use."""
    users: int = field(default=0, init=False)
    """Requests that use it or wait for it."""
    idle_since: float = field(default=0.0, init=False)
    """The time of its last use, on the event loop's clock."""

    def seconds_left(self, now: float) -> float:
        """Return how many seconds it stays loaded without another request."""
        return self.keep_alive if self.users else self.idle_since + self.keep_alive - now


class Scheduler:
    """The models in memory: loads a model on request, and unloads it when its time expires.

    There is no timer: expired models are unloaded at the next access. Not
    thread-safe: it belongs to one event loop.
    """

    def __init__(self, settings: SimulatorSettings) -> None:
        self._settings = settings
        self._runners: dict[Model, Runner] = {}

    @asynccontextmanager
    async def loaded(self, model: Model, keep_alive: float | None) -> AsyncIterator[Runner]:
        """Keep a model loaded within the context; to use it, acquire one of its slots as well.

        Args:
            model: The model.
            keep_alive: Seconds that it stays loaded afterwards; `None` changes nothing.

        Raises:
            ApiError: If the queue is full.
        """
        loop = asyncio.get_running_loop()
        runner = self._get_or_load(model, loop.time())
        self._check_queue(runner)
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
        """Unload a model as soon as no request uses it."""
        if runner := self._runners.get(model):
            runner.keep_alive = 0.0

    def seconds_left(self) -> dict[Model, float]:
        """Return how many seconds each loaded model stays loaded, the longest first."""
        now = asyncio.get_running_loop().time()
        self._unload_expired(now)
        left = {
            model: runner.seconds_left(now)
            for model, runner in self._runners.items()
            if runner.loaded_at <= now
        }
        return dict(sorted(left.items(), key=lambda item: item[1], reverse=True))

    def _get_or_load(self, model: Model, now: float) -> Runner:
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

    def _check_queue(self, runner: Runner) -> None:
        parallel = self._settings.parallel
        waiting = sum(max(0, each.users - parallel) for each in self._runners.values())
        if runner.users >= parallel and waiting >= self._settings.max_queue:
            raise ApiError(503, "server busy, please try again.  maximum pending requests exceeded")
