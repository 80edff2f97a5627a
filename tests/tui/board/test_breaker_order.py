"""The breakers in different orders, and only some of them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from fuseboard.breaker.state import State
from fuseboard.snapshot.snapshot import BreakerRates, Snapshot
from fuseboard_tui.board.breaker_order import Order, arrange
from fuseboard_tui.widgets.breaker_list import BreakerList
from tests.tui.board.test_keys import running_board
from tests.tui.fake_source import breaker, running_snapshot


def several() -> Snapshot:
    quiet = breaker("b_quiet", seconds_in_state=3.0)
    busy = breaker("C_busy", seconds_in_state=2.0)
    broken = breaker("a_broken", state=State.OPEN, seconds_in_state=1.0)
    return replace(
        running_snapshot(),
        breakers=(quiet, busy, broken),
        rates={
            "C_busy": BreakerRates((9.0,), (1.0,), (0.0,), (0.0,), failed_share=0.1),
            "a_broken": BreakerRates((1.0,), (1.0,), (2.0,), (0.0,), failed_share=0.5),
        },
    )


@pytest.mark.parametrize(
    ("order", "names"),
    [
        (Order.MADE, ["b_quiet", "C_busy", "a_broken"]),
        (Order.TROUBLE, ["a_broken", "C_busy", "b_quiet"]),
        (Order.RATE, ["C_busy", "a_broken", "b_quiet"]),
        (Order.FAILURES, ["a_broken", "C_busy", "b_quiet"]),
        (Order.CHANGED, ["a_broken", "C_busy", "b_quiet"]),
        (Order.NAME, ["a_broken", "b_quiet", "C_busy"]),
    ],
)
def test_orders(order: Order, names: list[str]) -> None:
    assert [each.name for each in arrange(several(), order)] == names


def test_the_filter_ignores_case() -> None:
    assert [each.name for each in arrange(several(), Order.MADE, "B")] == [
        "b_quiet",
        "C_busy",
        "a_broken",
    ]
    assert [each.name for each in arrange(several(), Order.MADE, "c_B")] == ["C_busy"]


def test_the_last_order_is_followed_by_the_first() -> None:
    order, seen = Order.MADE, set()
    for _ in Order:
        seen.add(order)
        order = order.next()
    assert (order, seen) == (Order.MADE, set(Order))


async def test_the_keys_sort_and_filter_and_the_selected_breaker_stays_selected() -> None:
    async with running_board(several()) as it:
        await it.pilot.press("down")
        assert "▌● C_busy" in it.text(BreakerList)
        await it.pilot.press("o")
        assert it.text(BreakerList).index("a_broken") < it.text(BreakerList).index("C_busy")
        assert "▌● C_busy" in it.text(BreakerList)
        assert "trouble first" in str(it.app.screen.query_one(BreakerList).border_title)
        await it.pilot.press("slash", *"_b", "enter")
        assert "b_quiet" not in it.text(BreakerList)
        assert "Breakers 2 of 3" in str(it.app.screen.query_one(BreakerList).border_title)
        await it.pilot.press("escape")
        assert "b_quiet" in it.text(BreakerList)


async def test_keys_typed_into_the_filter_send_no_command() -> None:
    async with running_board(several()) as it:
        await it.pilot.press("slash", *"2tr0 q")
        assert it.source.commands == []
        assert it.app.is_running
        assert "none has such a name" in it.text(BreakerList)


async def test_a_thousand_breakers_are_drawn_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    row = BreakerList._row

    def counted(self: BreakerList, each: object, *rest: object, **more: object) -> object:
        made.append("")
        return row(self, each, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(BreakerList, "_row", counted)
    many = replace(running_snapshot(), breakers=tuple(breaker(f"service_{n}") for n in range(1000)))
    async with running_board(many) as it:
        await it.pilot.press("pagedown", "down")
        made.clear()
        await it.show(replace(many, uptime=many.uptime + 1))
        assert 0 < len(made) < 100
        assert "▌● service_1 " in it.text(BreakerList)
