"""Bars, sparklines and strips."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseboard.breaker.records import Transition
from fuseboard.breaker.state import State
from fuseboard_tui.text.charts import bar, sparkline, worst_states
from fuseboard_tui.text.sanitize import sanitize
from fuseboard_tui.text.wrap import fit_text


@pytest.mark.parametrize(
    ("share", "drawn"),
    [(0, "    "), (1, "████"), (0.5, "██  "), (0.125, "▌   "), (7, "████"), (-1, "    ")],
)
def test_bar(share: float, drawn: str) -> None:
    assert bar(share, 4) == drawn


@given(st.floats(allow_nan=False), st.integers(0, 60))
def test_a_bar_is_as_wide_as_asked(share: float, width: int) -> None:
    assert len(bar(share, width)) == width


def test_sparkline_keeps_its_zero() -> None:
    assert sparkline([0, 1, 4, 0], 6) == "  ▁▃█▁"
    assert sparkline([3, 3, 3], 3) == "███"
    assert sparkline([], 2) == "  "


@given(st.lists(st.floats(0, 1e6)), st.integers(0, 80))
def test_a_sparkline_is_as_wide_as_asked(values: list[float], width: int) -> None:
    drawn = sparkline(values, width)
    assert len(drawn) == width
    assert set(drawn) <= set(" ▁▂▃▄▅▆▇█")


@given(
    openings=st.lists(st.floats(0.001, 290), min_size=1, max_size=8),
    width=st.integers(1, 120),
    now=st.floats(1e9, 2e9),
)
def test_a_strip_never_hides_an_opening(openings: list[float], width: int, now: float) -> None:
    history = []
    for ago in sorted(openings, reverse=True):
        history.append(Transition(now - ago, State.CLOSED, State.OPEN, "tripped"))
        history.append(Transition(now - ago, State.OPEN, State.CLOSED, "reset"))
    cells = worst_states(
        history, State.CLOSED, now=now, known_since=now - 1000, seconds=300, width=width
    )
    assert len(cells) == width
    cell = 300 / width
    begin = (now // cell + 1) * cell - 300
    for made in history:
        index = int((made.at - begin) // cell)
        if 0 <= index < width:
            assert cells[index] is State.OPEN


def test_a_strip_says_what_it_does_not_know() -> None:
    cells = worst_states((), State.CLOSED, now=1000, known_since=995, seconds=100, width=10)
    assert cells[0] is None
    assert cells[-1] is State.CLOSED


@pytest.mark.parametrize(
    ("text", "fitted"),
    [
        ("ollama", "ollama  "),
        ("a_long_name", "a_long_…"),
        ("電路斷路器", "電路斷 …"),
        ("電路斷路", "電路斷路"),
    ],
)
def test_a_text_fits_its_cells(text: str, fitted: str) -> None:
    assert fit_text(text, 8) == fitted


@given(st.text(max_size=2000))
def test_literal_text_is_harmless_and_short(text: str) -> None:
    shown = sanitize(text, 50)
    assert len(shown) <= 50
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in shown)
