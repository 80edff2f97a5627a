"""How many notifications a board shows at once."""

from __future__ import annotations

from dataclasses import replace

from fuseboard.snapshot.snapshot import Refusal
from fuseboard_tui.app import FuseboardApp
from fuseboard_tui.board.screen import BoardScreen
from tests.tui.fake_source import NOW, OPEN, FakeSource, breaker, running_snapshot


async def test_hundreds_of_openings_and_refusals_make_a_few_notifications() -> None:
    names = [f"breaker_{number}" for number in range(300)]
    source = FakeSource(running_snapshot(*map(breaker, names)))
    async with FuseboardApp(source).run_test() as pilot:
        source.current = running_snapshot(
            *(replace(OPEN, name=name) for name in names),
            refusals=tuple(Refusal(NOW + number, f"no {number}") for number in range(300)),
        )
        assert isinstance(pilot.app.screen, BoardScreen)
        pilot.app.screen.take_snapshot()
        await pilot.pause()
        shown = [each.message for each in pilot.app._notifications]
    assert len(shown) <= 11
    assert "295 more breakers are OPEN" in shown
    assert "no 299" in shown
