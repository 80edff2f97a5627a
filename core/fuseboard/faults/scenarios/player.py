"""Playing a scenario: switching its faults at their time."""

from __future__ import annotations

import asyncio
import logging
import random

from fuseboard.faults.scenarios.scenario import Scenario, Step
from fuseboard.faults.switches import FaultSwitches
from fuseboard.snapshot.snapshot import ScenarioSnapshot

_logger = logging.getLogger(__name__)


class ScenarioPlayer:
    """A player of one scenario at a time.

    Not thread-safe: it belongs to one event loop. Only `snapshot()` may be called
    from any thread.

    Args:
        switches: The faults that it switches.
        seed: Makes the random times of the steps reproducible.
    """

    def __init__(self, switches: FaultSwitches, seed: int | None = None) -> None:
        self._switches = switches
        self._seed = seed
        self._task: asyncio.Task[None] | None = None
        self._next_step: tuple[str, str, float] | None = None
        """The scenario's name, the step's text and its time on the loop's clock."""

    def play(self, scenario: Scenario) -> None:
        """Start a scenario; it replaces the one that is being played."""
        self._cancel()
        _logger.info("the scenario %s begins", scenario.name)
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._play(scenario, self._loop.time()))

    def stop(self) -> None:
        """Stop the scenario, and switch every fault off."""
        self._cancel()
        self._switches.clear()

    def snapshot(self) -> ScenarioSnapshot | None:
        """Return a snapshot of the scenario that is being played; `None` if there is none."""
        next_step = self._next_step
        if next_step is None:
            return None
        name, text, at = next_step
        return ScenarioSnapshot(name, text, max(0.0, at - self._loop.time()))

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._next_step = None

    async def _play(self, scenario: Scenario, started: float) -> None:
        # A new generator for each run, so that the same seed gives the same times.
        rng = random.Random(  # noqa: S311 (no secret)
            None if self._seed is None else f"{self._seed} {scenario.name}"
        )
        while True:
            for step in scenario.steps:
                at = rng.uniform(step.earliest, step.latest)
                self._next_step = scenario.name, step.text, started + at
                await asyncio.sleep(started + at - self._loop.time())
                self._apply(step)
            if scenario.repeats_after is None:
                break
            _logger.info("the scenario %s begins again", scenario.name)
            started += scenario.repeats_after
        self._next_step = None
        _logger.info("the scenario %s has ended", scenario.name)

    def _apply(self, step: Step) -> None:
        if step.clears:
            self._switches.clear()
        for name in step.off:
            self._switches.switch(name, active=False)
        for name, setting in step.on:
            self._switches.switch(name, active=True, setting=setting)
