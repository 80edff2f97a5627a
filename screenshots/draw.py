"""Draw the README's pictures from a scripted run of the real thing.

Run `python -m screenshots.draw`: the dashboard runs without a terminal, in
front of a real engine with the simulator; keys are pressed, and each picture
is taken when the state that it shows has come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from screenshots.animation import Frame, animated
from textual.pilot import Pilot

from fuseboard import Registry, State
from fuseboard.engine.engine import Engine
from fuseboard.engine.settings import EngineSettings
from fuseboard.ollama import Deadlines
from fuseboard.snapshot.snapshot import AnswerState, Snapshot
from fuseboard_tui.app import FuseboardApp

FOLDER = Path(__file__).parent
SIZE = (120, 36)
BREAKER = "ollama_generate"
PATIENCE = 60.0  # seconds that a scene may take to come
FILM_SECONDS = 1.0  # from one frame of the tour to the next, while something is awaited;
SHOWN_SECONDS = 0.5  # which the tour shows faster than it is
READING_SECONDS = 2.0  # that what a key does is shown for


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
        async with app.run_test(size=SIZE, notifications=True) as pilot:
            stage = Stage(pilot, engine)
            await stage.wait(_has_calls(40))
            stage.film("the breaker is closed", READING_SECONDS)
            stage.draw("closed")
            await stage.press("2", "2: the wire answers HTTP 500")
            await stage.until(_is(State.OPEN, for_seconds=2), "the breaker trips, and says why")
            stage.draw("open")
            await stage.press("enter", "Enter: the calls that led to it")
            await stage.press("escape", "Esc: back")
            await stage.press("d", "d: what is missing for each way out")
            await stage.press("escape", "Esc: back")
            await stage.press("2", "2: HTTP 500 is mended")
            await stage.press("4", "4: the wire is silent now")
            await stage.until(_is(State.HALF_OPEN, for_seconds=1), "the probe gets no answer")
            stage.draw("half-open")
            await stage.press("0", "0: everything is mended")
            await stage.until(_is(State.CLOSED, for_seconds=6), "the next probe closes the breaker")
            stage.draw("recovered")
            await stage.press("a", "a: ask a prompt by hand")
            await stage.type("why is the sky blue?")
            await stage.press("enter", "Enter: the answer streams through the breaker")
            await stage.until(_has_answered, "the answer streams through the breaker")
            stage.draw("ask")
            await stage.press("escape", "Esc: back")
            await stage.press("s", "s: its thresholds and timeouts, changed while it runs")
            stage.draw("settings")
            stage.write_tour()
    finally:
        engine.stop()


class Stage:
    """Presses keys, waits for what comes of them, and takes pictures of both."""

    def __init__(self, pilot: Pilot[str], engine: Engine) -> None:
        self._pilot = pilot
        self._engine = engine
        self._frames: list[Frame] = []

    async def press(self, key: str, words: str) -> None:
        """Press a key, and show for a while what it does."""
        await self._pilot.press(key)
        await self._pilot.pause(0.3)
        self.film(words, READING_SECONDS)

    async def type(self, text: str) -> None:
        """Type a text."""
        await self._pilot.press(*text)
        await self._pilot.pause(0.3)
        self.film("a: ask a prompt by hand", READING_SECONDS)

    async def until(self, has_come: Callable[[Snapshot], bool], words: str) -> None:
        """Film until a scene has come."""
        async with asyncio.timeout(PATIENCE):
            while not has_come(self._engine.snapshot()):
                await self._pilot.pause(FILM_SECONDS)
                self.film(words, SHOWN_SECONDS)
        await self._pilot.pause(0.5)  # two redraws
        self.film(words, READING_SECONDS)

    async def wait(self, has_come: Callable[[Snapshot], bool]) -> None:
        """Wait until a scene has come."""
        async with asyncio.timeout(PATIENCE):
            while not has_come(self._engine.snapshot()):
                await self._pilot.pause(0.1)
        await self._pilot.pause(0.5)  # two redraws

    def draw(self, name: str) -> None:
        """Write a picture of the screen as it is."""
        _write(f"{name}.svg", self._pilot.app.export_screenshot(title="fuseboard"))

    def write_tour(self) -> None:
        """Write everything that was filmed."""
        _write("tour.svg", animated(self._frames))

    def film(self, words: str, seconds: float) -> None:
        """Take a picture for the tour, with words above it."""
        picture = self._pilot.app.export_screenshot()
        self._frames.append(Frame(picture, f"fuseboard — {words}", seconds))


def _write(name: str, picture: str) -> None:
    path = FOLDER / name
    path.write_text(picture, encoding="utf-8")
    print(path)


def _has_calls(successes: int) -> Callable[[Snapshot], bool]:
    def has_come(snapshot: Snapshot) -> bool:
        breaker = snapshot.breaker(BREAKER)
        return breaker is not None and breaker.calls.success >= successes

    return has_come


def _has_answered(snapshot: Snapshot) -> bool:
    return snapshot.prompt is not None and snapshot.prompt.state is AnswerState.COMPLETE


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
