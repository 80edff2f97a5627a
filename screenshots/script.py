"""The script of the tour: keys, the states they lead to, and the screenshots between them."""

from __future__ import annotations

from collections.abc import Callable

from screenshots.stage import Stage

from fuseboard.breaker.state import State
from fuseboard.snapshot.snapshot import AnswerState, Snapshot

_BREAKER = "ollama_generate"


async def play(stage: Stage) -> None:
    """Play the tour."""
    await stage.until(_successes(40), "the breaker is closed")
    stage.frames = stage.frames[-1:]  # the tour begins here
    stage.take_screenshot("closed")
    await stage.press("2", "2: the wire answers HTTP 500")
    await stage.until(_is(State.OPEN, for_seconds=2), "the breaker trips, and says why")
    stage.take_screenshot("open")
    await stage.press("enter", "Enter: the calls that led to it")
    await stage.press("escape", "Esc: back")
    await stage.press("d", "d: what is missing for each way out")
    await stage.press("escape", "Esc: back")
    await stage.press("2", "2: HTTP 500 is mended")
    await stage.press("4", "4: the wire is silent now")
    await stage.until(_is(State.HALF_OPEN, for_seconds=1), "the probe gets no answer")
    stage.take_screenshot("half-open")
    await stage.press("0", "0: everything is mended")
    await stage.until(_is(State.CLOSED, for_seconds=6), "the next probe closes the breaker")
    stage.take_screenshot("recovered")
    await stage.press("a", "a: ask a prompt by hand")
    await stage.type("why is the sky blue?", "a: ask a prompt by hand")
    await stage.press("enter", "Enter: the answer streams through the breaker")
    await stage.until(_has_answered, "the answer streams through the breaker")
    stage.take_screenshot("ask")
    await stage.press("escape", "Esc: back")
    await stage.press("s", "s: its thresholds and timeouts, changed while it runs")
    stage.take_screenshot("settings")


def _successes(count: int) -> Callable[[Snapshot], bool]:
    def reached(snapshot: Snapshot) -> bool:
        breaker = snapshot.breaker(_BREAKER)
        return breaker is not None and breaker.calls.success >= count

    return reached


def _is(state: State, *, for_seconds: float) -> Callable[[Snapshot], bool]:
    def reached(snapshot: Snapshot) -> bool:
        breaker = snapshot.breaker(_BREAKER)
        return (
            breaker is not None
            and breaker.state is state
            and breaker.seconds_in_state >= for_seconds
        )

    return reached


def _has_answered(snapshot: Snapshot) -> bool:
    return snapshot.prompt is not None and snapshot.prompt.state is AnswerState.COMPLETE
