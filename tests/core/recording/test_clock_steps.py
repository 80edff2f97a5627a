"""A recording while the wall clock is set, and after a stop of the process."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from msgspec import structs

from fuseboard.recording.reader import Recording
from fuseboard.recording.recorder import Recorder, encode_line
from fuseboard.recording.replay import Replay
from fuseboard.snapshot.codec import to_builtins
from fuseboard.snapshot.snapshot import Snapshot
from tests.core.clock import ManualClock
from tests.tui.fake_source import NOW, running_snapshot


def recorded(*moments: tuple[float, float]) -> Recording:
    """Return a recording of snapshots with these uptimes and wall-clock times."""
    lines, previous = [], None
    for uptime, wall in moments:
        snapshot = to_builtins(
            structs.replace(running_snapshot(), uptime=uptime, taken_at=NOW + wall)
        )
        lines.append(encode_line(previous, snapshot))
        previous = snapshot
    return Recording("run", lines, cut_off=False)


@pytest.mark.parametrize("step", [3600.0, -3600.0])
def test_a_replay_goes_on_at_its_pace_where_the_wall_clock_was_set(step: float) -> None:
    recording = recorded(*((second, second + (step if second >= 5 else 0)) for second in range(10)))
    assert recording.seconds == list(range(10))
    clock = ManualClock()
    replay = Replay(recording, clock=clock)
    assert replay.length == 9
    for second in range(10):
        assert replay.snapshot().uptime == second
        clock.advance(1)
    replay.seek(-4)
    assert replay.snapshot().uptime == 5
    assert replay.snapshot().taken_at == NOW + 5 + step


def test_a_stop_is_as_long_in_the_replay_as_it_was() -> None:
    clock = ManualClock()
    replay = Replay(recorded((0, 0), (1, 1), (61, 61), (62, 62)), clock=clock)
    clock.advance(30)
    assert replay.snapshot().uptime == 1
    clock.advance(31.5)
    assert replay.snapshot().uptime == 61


class Stopping(threading.Event):
    """An event that takes note of how long it is waited for, and is set by the third time."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(timeout)
        return len(self.waited) >= 3


def test_a_stop_during_a_write_does_not_stop_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time that a write takes is the time until the next one, times ten."""
    clock = ManualClock()
    monkeypatch.setattr("fuseboard.recording.recorder.time.monotonic", clock)
    taken = 0

    def take() -> Snapshot:
        nonlocal taken
        taken += 1
        clock.advance(60.0 if taken == 2 else 0.2)
        return structs.replace(running_snapshot(), uptime=float(taken))

    recorder = Recorder(take, tmp_path / "run")
    recorder._stopping = stopping = Stopping()
    with recorder:
        recorder._thread.join()
    assert recorder.problem == ""
    assert stopping.waited == [pytest.approx(2.0), 10.0, pytest.approx(2.0)]
