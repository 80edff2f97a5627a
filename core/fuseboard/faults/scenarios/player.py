"""Playing a scenario on the board of faults."""

from __future__ import annotations

import asyncio
import logging
import random

from fuseboard.faults.scenarios.scenario import Scenario, Step
from fuseboard.faults.switches import FaultSwitches
from fuseboard.snapshot.snapshot import ScenarioSnapshot

_logger = logging.getLogger(__name__)


class ScenarioPlayer:
    """Plays one scenario at a time.

    Belongs to one event loop; `snapshot()` may be called from any thread.

    Args:
        board: Whose switches it moves.
        seed: Makes the seconds that are drawn the same each time.
    """

    def __init__(self, board: FaultSwitches, seed: int | None = None) -> None:
        self._board = board
        self._seed = seed
        self._playing: asyncio.Task[None] | None = None
        self._next: tuple[str, str, float] | None = None

    def play(self, scenario: Scenario) -> None:
        """Begin a scenario, in place of the one that is being played."""
        self._stop_playing()
        _logger.info("the scenario %s begins", scenario.name)
        self._loop = asyncio.get_running_loop()
        self._playing = self._loop.create_task(self._play(scenario, self._loop.time()))

    def stop(self) -> None:
        """Play no further, and switch every fault off."""
        self._stop_playing()
        self._board.clear()

    def snapshot(self) -> ScenarioSnapshot | None:
        """Picture what is being played; `None` if nothing is."""
        ahead = self._next
        if ahead is None:
            return None
        name, words, at = ahead
        return ScenarioSnapshot(name, words, max(0.0, at - self._loop.time()))

    def _stop_playing(self) -> None:
        if self._playing is not None:
            self._playing.cancel()
            self._playing = None
        self._next = None

    async def _play(self, scenario: Scenario, started: float) -> None:
        # Dice of its own for each playing, so that the same seed draws the same seconds.
        dice = random.Random(  # noqa: S311 (no secret)
            None if self._seed is None else f"{self._seed} {scenario.name}"
        )
        while True:
            for step in scenario.steps:
                at = dice.uniform(step.earliest, step.latest)
                self._next = scenario.name, step.words, started + at
                await asyncio.sleep(started + at - self._loop.time())
                self._take(step)
            if scenario.repeats_after is None:
                break
            _logger.info("the scenario %s begins again", scenario.name)
            started += scenario.repeats_after
        self._next = None
        _logger.info("the scenario %s has ended", scenario.name)

    def _take(self, step: Step) -> None:
        if step.clears:
            self._board.clear()
        for name in step.off:
            self._board.switch(name, active=False)
        for name, setting in step.on:
            self._board.switch(name, active=True, setting=setting)
