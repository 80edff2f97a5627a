"""How the header and the panel of resources tell the rate of the traffic."""

from __future__ import annotations

import pytest

from fuseboard.snapshot.snapshot import TrafficSnapshot
from fuseboard.snapshot.traffic_kind import TrafficKind
from fuseboard_tui.widgets.header_line import format_rate


@pytest.mark.parametrize(
    ("rate", "actual", "shown"),
    [
        (4, None, "4/s"),
        (4, 4.0, "4/s"),
        (0.5, 0.4999, "0.5/s"),
        (4, 3.5, "3.5 of 4/s"),
        (1000, 163.63, "164 of 1,000/s"),
        (10_000, 1636.3, "1,640 of 10,000/s"),
        (1000, 0.0, "0 of 1,000/s"),
    ],
)
def test_both_rates_are_shown_where_they_differ(
    rate: float, actual: float | None, shown: str
) -> None:
    traffic = TrafficSnapshot(TrafficKind.RAG, True, rate, 8, 8, 0, actual)
    assert format_rate(traffic) == shown
