"""The states of a breaker and the ways out of each."""

from __future__ import annotations

from typing import Any

import pytest
from textual.widgets import Static

from fuseboard import CircuitBreaker, ConsecutiveFailures, FailureRate, TimeWindow
from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard.breaker.state import Mode, State
from fuseboard_tui.board.screen import BoardScreen
from fuseboard_tui.screens.state_diagram import StateDiagramScreen
from tests.core.clock import ManualClock
from tests.tui.board.test_keys import RunningBoard, running_board
from tests.tui.fake_source import running_snapshot


def drawn(it: RunningBoard) -> str:
    assert isinstance(it.app.screen, StateDiagramScreen)
    return str(it.app.screen.query_one(Static).content)


def real_breaker(**settings: Any) -> tuple[CircuitBreaker, ManualClock]:
    clock = ManualClock()
    return CircuitBreaker("model", clock=clock, **settings), clock


def fail(breaker: CircuitBreaker, times: int) -> None:
    for _ in range(times):
        breaker.acquire().failure("broken")


def closed() -> BreakerSnapshot:
    trip = ConsecutiveFailures(5) | FailureRate(0.5, TimeWindow(60), minimum_calls=10)
    breaker, _ = real_breaker(trip=trip)
    fail(breaker, 3)
    return breaker.snapshot()


def opened() -> BreakerSnapshot:
    breaker, clock = real_breaker(trip=ConsecutiveFailures(1), recovery_timeout=30)
    fail(breaker, 1)
    clock.advance(18)
    return breaker.snapshot()


def half_open() -> BreakerSnapshot:
    breaker, clock = real_breaker(
        trip=ConsecutiveFailures(1), recovery_timeout=30, successes_to_close=3, max_probes=2
    )
    fail(breaker, 1)
    clock.advance(30)
    breaker.acquire().success()
    probe = breaker.acquire()
    seen = breaker.snapshot()
    probe.ignore()
    return seen


def forced() -> BreakerSnapshot:
    breaker, _ = real_breaker()
    breaker.force_open()
    return breaker.snapshot()


@pytest.mark.parametrize(
    ("snapshot", "here", "ways"),
    [
        (
            closed,
            "[● CLOSED]",
            [
                "→ ■ OPEN       after 2 more consecutive failures; 3 of 5 so far",
                "→ ■ OPEN       when the failure rate",
                "→ ■ OPEN       by hand: t",
            ],
        ),
        (opened, "[■ OPEN]", ["→ ◐ HALF_OPEN  in 12.0 s", "→ ● CLOSED     by hand: r"]),
        (
            half_open,
            "[◐ HALF_OPEN]",
            [
                "→ ● CLOSED     after 2 more successes, 1 under way; by hand: r",
                "→ ■ OPEN       after 1 failure; by hand: t",
            ],
        ),
        (forced, "[■ OPEN]", ["→ ● CLOSED     by hand only: r resets it"]),
    ],
)
async def test_each_way_out_shows_what_is_missing(
    snapshot: Any, here: str, ways: list[str]
) -> None:
    async with running_board(running_snapshot(snapshot())) as it:
        await it.pilot.press("d")
        text = drawn(it)
        assert here in text
        for way in ways:
            assert way in text


async def test_it_is_redrawn_and_closes() -> None:
    async with running_board(running_snapshot(closed())) as it:
        await it.pilot.press("d")
        await it.show(running_snapshot(opened()))
        screen = it.app.screen
        assert isinstance(screen, StateDiagramScreen)
        screen.show()
        assert "[■ OPEN]" in drawn(it)
        await it.pilot.press("escape")
        assert isinstance(it.app.screen, BoardScreen)


def test_only_a_half_open_breaker_misses_successes() -> None:
    assert half_open().successes_missing == 2
    assert closed().successes_missing is None
    assert opened().successes_missing is None
    assert forced().mode is not Mode.AUTOMATIC
    assert forced().state is State.OPEN
