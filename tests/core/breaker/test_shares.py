"""Shares as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseboard.breaker.shares import format_share


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0%"), (1, "100%"), (0.5, "50%"), (0.004, "<1%"), (0.996, ">99%"), (0.99, "99%")],
)
def test_a_share_is_written_in_whole_percent(share: float, text: str) -> None:
    assert format_share(share) == text


@given(st.integers(0, 10_000_000), st.integers(1, 10_000_000))
def test_only_none_is_0_percent_and_only_all_is_100(hits: int, total: int) -> None:
    text = format_share(min(hits, total) / total)
    assert (text == "0%") == (hits == 0)
    assert (text == "100%") == (hits >= total)
