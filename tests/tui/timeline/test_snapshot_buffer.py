"""The buffer of past snapshots."""

from __future__ import annotations

from itertools import pairwise

import pytest
from msgspec.structs import replace

from fuseboard.snapshot.snapshot import Snapshot
from fuseboard_tui.timeline.snapshot_buffer import SnapshotBuffer
from tests.tui.fake_source import NOW, STARTING, breaker, running_snapshot

UPTIME = 7200.0


def at(seconds: float) -> Snapshot:
    return replace(STARTING, taken_at=NOW + seconds, uptime=UPTIME + seconds)


def filled_buffer(seconds: float, apart: float = 0.25) -> SnapshotBuffer:
    """Return a buffer with snapshots up to NOW."""
    buffer = SnapshotBuffer()
    for number in range(int(seconds / apart) + 1):
        buffer.add(at(number * apart - seconds))
    return buffer


def ages(buffer: SnapshotBuffer) -> list[float]:
    return [NOW - snapshot.taken_at for snapshot in buffer.all()]


def test_the_longer_ago_the_fewer() -> None:
    seen = ages(filled_buffer(7200))
    assert seen == sorted(seen, reverse=True)
    gaps = {age: before - age for before, age in pairwise(seen)}
    assert all(gap == 0.25 for age, gap in gaps.items() if age < 29)
    assert all(gap <= 1 for age, gap in gaps.items() if age < 295)
    assert all(gap <= 11 for gap in gaps.values())
    assert 1780 < seen[0] <= 1800
    assert len(seen) < 550


def test_many_breakers_are_remembered_less_often() -> None:
    many = running_snapshot(*(breaker(f"b{number}") for number in range(999)))
    buffer = SnapshotBuffer()
    for number in range(4 * 1800):
        buffer.add(replace(many, taken_at=NOW + number / 4, uptime=number / 4))
    assert buffer.newest.taken_at == NOW + 1799.75
    assert buffer.all()[-1] is buffer.newest
    assert 9 < len(buffer.all()) < 16
    assert buffer.newest.taken_at - buffer.all()[0].taken_at > 1200


def test_a_snapshot_that_is_given_again_is_remembered_once() -> None:
    buffer = SnapshotBuffer()
    for _ in range(3):
        buffer.add(at(0))
    assert ages(buffer) == [0]


def test_a_source_that_begins_anew_is_remembered_anew() -> None:
    buffer = filled_buffer(60)
    buffer.add(at(-10))
    assert ages(buffer) == [10]


@pytest.mark.parametrize("step", [3600, -3600])
def test_a_wall_clock_that_is_set_changes_nothing(step: float) -> None:
    buffer = filled_buffer(60, apart=1)
    before = len(buffer.all())
    for second in range(1, 11):
        buffer.add(replace(at(second), taken_at=NOW + second + step))
    assert len(buffer.all()) == before + 10
    ten_seconds_ago = buffer.near(buffer.newest, -10)
    assert (ten_seconds_ago.uptime, ten_seconds_ago.taken_at) == (UPTIME, NOW)
    assert buffer.near(ten_seconds_ago, 10) == buffer.newest


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
    buffer = filled_buffer(3600, apart=1)
    seen = buffer.near(at(shown), seconds).taken_at - NOW
    assert seen == pytest.approx(found, abs=11 if shown < -300 else 1)


def test_what_is_gone_is_replaced_by_the_oldest_that_is_left() -> None:
    buffer = filled_buffer(60)
    assert buffer.near(at(-500), -1) is buffer.all()[0]
    assert buffer.near(at(-500), 1) is buffer.all()[0]
