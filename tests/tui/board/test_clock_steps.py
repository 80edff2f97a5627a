"""The board while the wall clock is set by an hour, forward or back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs

from fuseboard.breaker.snapshot import BreakerSnapshot, TransitionCounts
from fuseboard.breaker.state import State
from fuseboard.snapshot.snapshot import Snapshot
from fuseboard_tui.board.notifications import OpeningDetector
from fuseboard_tui.widgets.header_line import HeaderLine
from fuseboard_tui.widgets.state_strip import StateStrip
from tests.tui.board.test_keys import running_board
from tests.tui.fake_source import NOW, OPEN, breaker, running_snapshot

HOUR = 3600.0
steps = pytest.mark.parametrize("step", [HOUR, -HOUR])


def opened(times: int, changed_at: float) -> BreakerSnapshot:
    counts = {**OPEN.transitions, (State.CLOSED, State.OPEN): times}
    return replace(OPEN, changed_at=changed_at, transitions=TransitionCounts(counts))


def names(detector: OpeningDetector, *breakers: BreakerSnapshot) -> list[str]:
    return [each.name for each in detector.newly_opened(running_snapshot(*breakers))]


@steps
def test_each_opening_is_notified_once(step: float) -> None:
    detector = OpeningDetector()
    assert names(detector, breaker()) == []
    first, second = opened(1, NOW), opened(2, NOW + 30 + step)
    assert names(detector, first) == ["ollama_generate"]
    assert names(detector, first) == []
    assert names(detector, breaker(transitions=first.transitions)) == []
    assert names(detector, second) == ["ollama_generate"]
    assert names(detector, second) == []


def test_breakers_that_are_gone_are_forgotten() -> None:
    detector = OpeningDetector()
    for number in range(1_000):
        assert names(detector, breaker(f"b{number}")) == []
    assert len(detector._known) <= 2, "the last one, and the one of the snapshot itself"


def stepped(snapshot: Snapshot, step: float) -> Snapshot:
    """Return a snapshot taken after the wall clock was set; what is in it happened before."""
    return structs.replace(snapshot, taken_at=snapshot.taken_at + step)


@steps
async def test_the_strip_shows_the_same_states(step: float) -> None:
    snapshot = running_snapshot(OPEN)
    async with running_board(snapshot) as it:
        strip = it.text(StateStrip)
        assert strip.count("■") > 1
    async with running_board(stepped(snapshot, step)) as it:
        assert it.text(StateStrip).strip("·").count("■") == pytest.approx(strip.count("■"), abs=1)
        assert it.text(StateStrip).rstrip().endswith("■")
        assert it.text(StateStrip).count("●") == pytest.approx(strip.count("●"), abs=1)


@steps
async def test_a_strip_across_a_step_ends_in_the_present_state(step: float) -> None:
    """The clock was set between the last two transitions, too."""
    history = tuple(
        replace(each, at=each.at - step) if number < 2 else each
        for number, each in enumerate(OPEN.history)
    )
    async with running_board(running_snapshot(replace(OPEN, history=history))) as it:
        assert it.text(StateStrip).rstrip().endswith("■")


@steps
async def test_what_is_held_stays_as_far_behind_as_it_is(step: float) -> None:
    async with running_board() as it:
        await it.pilot.press("p")
        later = structs.replace(running_snapshot(), taken_at=NOW + 7 + step, uptime=758.0)
        await it.show(later)
        assert "PAUSED, 7 s behind" in it.text(HeaderLine)
        await it.pilot.press("end")
        assert "PAUSED, 0 s behind" in it.text(HeaderLine)
