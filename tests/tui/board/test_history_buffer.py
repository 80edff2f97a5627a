"""What the dashboard remembers of the last minutes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from msgspec.structs import replace

from fuseboard.snapshot.snapshot import Snapshot
from fuseboard_tui.board.history_buffer import HistoryBuffer
from tests.tui.pictures import NOW, STARTING, board, breaker


def at(seconds: float) -> Snapshot:
    return replace(STARTING, taken_at=NOW + seconds)


def past(seconds: float, apart: float = 0.25) -> HistoryBuffer:
    """A past of snapshots up to NOW."""
    remembered = HistoryBuffer()
    for number in range(int(seconds / apart) + 1):
        remembered.add(at(number * apart - seconds))
    return remembered


def ages(remembered: HistoryBuffer) -> list[float]:
    return [NOW - snapshot.taken_at for snapshot in remembered.all()]


def test_the_longer_ago_the_fewer() -> None:
    seen = ages(past(7200))
    assert seen == sorted(seen, reverse=True)
    gaps = {age: before - age for before, age in pairwise(seen)}
    assert all(gap == 0.25 for age, gap in gaps.items() if age < 29)
    assert all(gap <= 1 for age, gap in gaps.items() if age < 295)
    assert all(gap <= 11 for gap in gaps.values())
    assert 1780 < seen[0] <= 1800
    assert len(seen) < 550


def test_many_breakers_are_remembered_less_often() -> None:
    many = board(*(breaker(f"b{number}") for number in range(999)))
    remembered = HistoryBuffer()
    for number in range(4 * 1800):
        remembered.add(replace(many, taken_at=NOW + number / 4))
    assert remembered.newest.taken_at == NOW + 1799.75
    assert remembered.all()[-1] is remembered.newest
    assert 9 < len(remembered.all()) < 16
    assert remembered.newest.taken_at - remembered.all()[0].taken_at > 1200


def test_a_snapshot_that_is_given_again_is_remembered_once() -> None:
    remembered = HistoryBuffer()
    for _ in range(3):
        remembered.add(at(0))
    assert ages(remembered) == [0]


def test_a_clock_that_is_set_back_begins_anew() -> None:
    remembered = past(60)
    remembered.add(at(-10))
    assert ages(remembered) == [10]


@pytest.mark.parametrize(
    ("shown", "seconds", "found"),
    [
        (0, -1, -1),
        (-1, 1, 0),
        (0, -30, -30),
        (-200, -1, -201),
        (-1000, -1, -1010),
        (-1000, 1, -990),
        (0, 1, 0),
        (-1500, -60, -1560),
    ],
)
def test_it_can_be_gone_through(shown: float, seconds: float, found: float) -> None:
    remembered = past(3600, apart=1)
    seen = remembered.near(at(shown), seconds).taken_at - NOW
    assert seen == pytest.approx(found, abs=11 if shown < -300 else 1)


def test_what_is_gone_is_replaced_by_the_oldest_that_is_left() -> None:
    remembered = past(60)
    assert remembered.near(at(-500), -1) is remembered.all()[0]
    assert remembered.near(at(-500), 1) is remembered.all()[0]
