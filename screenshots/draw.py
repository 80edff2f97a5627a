"""Draw the README's pictures from a scripted run of the real thing.

Run `python screenshots/draw.py`: the dashboard runs without a terminal, in
front of a real engine with the simulator; keys are pressed, and each picture
is taken when the state that it shows has come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from textual.pilot import Pilot

from fuseboard import Registry, State
from fuseboard.engine import Engine, EngineSettings
from fuseboard.ollama import Deadlines
from fuseboard.snapshot import Snapshot
from fuseboard_tui.app import FuseboardApp

FOLDER = Path(__file__).parent
SIZE = (120, 36)
BREAKER = "ollama_generate"
PATIENCE = 60.0  # seconds that a scene may take to come


async def main() -> None:
    """Play the scenes and draw them."""
    settings = EngineSettings(
        simulate=True,
        rate=6,
        recovery_timeout=8,
        deadlines=Deadlines(first_token=3),
        seed=1,
    )
    engine = Engine(settings, registry=Registry())
    engine.start()
    try:
        app = FuseboardApp(engine)
        async with app.run_test(size=SIZE) as pilot:
            await scene(pilot, engine, "closed", _has_calls(40))
            await pilot.press("2")
            await scene(pilot, engine, "open", _is(State.OPEN, for_seconds=2))
            await pilot.press("2", "4")
            await scene(pilot, engine, "half-open", _is(State.HALF_OPEN, for_seconds=1))
            await pilot.press("0")
            await scene(pilot, engine, "recovered", _is(State.CLOSED, for_seconds=6))
    finally:
        engine.stop()


async def scene(
    pilot: Pilot[str], engine: Engine, name: str, has_come: Callable[[Snapshot], bool]
) -> None:
    """Wait for a scene and draw it."""
    async with asyncio.timeout(PATIENCE):
        while not has_come(engine.snapshot()):  # noqa: ASYNC110 (a snapshot has no event)
            await asyncio.sleep(0.05)
    await pilot.pause(0.5)  # two redraws
    path = FOLDER / f"{name}.svg"
    path.write_text(pilot.app.export_screenshot(title="fuseboard"), encoding="utf-8")
    print(path)


def _has_calls(successes: int) -> Callable[[Snapshot], bool]:
    def has_come(snapshot: Snapshot) -> bool:
        breaker = snapshot.breaker(BREAKER)
        return breaker is not None and breaker.calls.success >= successes

    return has_come


def _is(state: State, *, for_seconds: float) -> Callable[[Snapshot], bool]:
    def has_come(snapshot: Snapshot) -> bool:
        breaker = snapshot.breaker(BREAKER)
        return (
            breaker is not None
            and breaker.state is state
            and breaker.seconds_in_state >= for_seconds
        )

    return has_come


if __name__ == "__main__":
    asyncio.run(main())
