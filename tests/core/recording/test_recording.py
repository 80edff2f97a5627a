"""A run that is recorded, and read and played again."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from fuseboard.invalid_input import InvalidInputError
from fuseboard.recording.reader import Recording, read_recording
from fuseboard.recording.recorder import Recorder
from fuseboard.recording.replay import FASTEST, SLOWEST, Replay
from fuseboard.snapshot.codec import encode
from fuseboard.snapshot.json_diff import apply_diff, diff
from fuseboard.snapshot.snapshot import BreakerRates, Phase, Snapshot
from tests.core.clock import ManualClock
from tests.tui.fake_source import OPEN, STARTING, breaker, running_snapshot


class Run:
    """Return a new snapshot each time, and let a test wait until so many were taken."""

    def __init__(self) -> None:
        self.given: list[Snapshot] = []
        self._taken = threading.Condition()

    def __call__(self) -> Snapshot:
        number = len(self.given)
        seen = breaker(calls=replace(OPEN.calls, success=number), seconds_in_state=number / 2)
        rates = BreakerRates(success=tuple(range(number)))
        snapshot = structs.replace(running_snapshot(seen), uptime=number / 2, rates={"x": rates})
        with self._taken:
            self.given.append(snapshot)
            self._taken.notify_all()
        return snapshot

    def wait_for(self, snapshots: int) -> None:
        with self._taken:
            assert self._taken.wait_for(lambda: len(self.given) >= snapshots, 30)


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fuseboard.recording.recorder._PAUSE", 0.0)
    monkeypatch.setattr("fuseboard.recording.recorder._SHARE", 1.0)


def record(path: Path, snapshots: int = 200) -> list[Snapshot]:
    run = Run()
    with Recorder(run, path) as recorder:
        run.wait_for(snapshots)
    assert recorder.problem == ""
    return run.given


def all_of(recording: Recording) -> Iterator[Snapshot]:
    return (recording.snapshot(number) for number in range(len(recording.seconds)))


@pytest.mark.parametrize("name", ["run.jsonl", "run.jsonl.gz"])
def test_a_run_comes_back_as_it_was(tmp_path: Path, name: str) -> None:
    given = record(tmp_path / name)
    zipped = (tmp_path / name).read_bytes().startswith(b"\x1f\x8b")
    assert zipped == name.endswith(".gz")
    recording = read_recording(tmp_path / name)
    assert list(all_of(recording)) == given
    assert recording.seconds == [snapshot.uptime for snapshot in given]
    assert not recording.cut_off


def test_snapshots_are_found_in_any_order(tmp_path: Path) -> None:
    given = record(tmp_path / "run")
    recording = read_recording(tmp_path / "run")
    for number in (199, 0, 63, 64, 65, 64, 130, 129, 5, 5):
        assert recording.snapshot(number) == given[number]
    assert recording.snapshot(5) is recording.snapshot(5)


def test_one_snapshot_a_line_and_only_what_changed(tmp_path: Path) -> None:
    given = record(tmp_path / "run")
    first, *rest = (tmp_path / "run").read_text().splitlines()
    assert json.loads(first) == json.loads(encode(given[0]))
    assert len(rest) == len(given) - 1
    assert all(set(json.loads(line)) == {"uptime", "breakers", "rates"} for line in rest)


@pytest.mark.parametrize("name", ["run.jsonl", "run.jsonl.gz"])
def test_what_is_flushed_can_be_read_while_it_is_recorded(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a crash: nothing was closed."""
    monkeypatch.setattr("fuseboard.recording.recorder._FLUSH_SECONDS", 0.0)
    run = Run()
    with Recorder(run, tmp_path / name):
        run.wait_for(50)
        recording = read_recording(tmp_path / name)
        assert len(recording.seconds) >= 48
        assert recording.snapshot(47) == run.given[47]


@pytest.mark.parametrize("name", ["run.jsonl", "run.jsonl.gz"])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.95])
def test_a_file_that_was_cut_off_is_read_as_far_as_it_goes(
    tmp_path: Path, name: str, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fuseboard.recording.recorder._FLUSH_SECONDS", 0.0)
    given = record(tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(len(content) * share)])
    recording = read_recording(tmp_path / name)
    assert recording.cut_off
    assert 0 < len(recording.seconds) < len(given)
    assert list(all_of(recording)) == given[: len(recording.seconds)]


def test_a_file_that_is_there_is_kept(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    refusal = pytest.raises(ValueError, match="run is there already; --force overwrites it")
    with refusal, Recorder(Run(), tmp_path / "run"):
        pass
    assert (tmp_path / "run").read_text() == "mine"
    with Recorder(Run(), tmp_path / "run", overwrite=True):
        pass
    assert len(read_recording(tmp_path / "run").seconds) >= 2


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("reader", [True, False])
def test_a_pipe_is_refused_at_once(tmp_path: Path, overwrite: bool, reader: bool) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK) if reader else None
    refusal = pytest.raises(InvalidInputError, match=r"^cannot write .*/pipe: it is no file$")
    with refusal, Recorder(Run(), path, overwrite=overwrite):
        pass
    if descriptor is not None:
        os.close(descriptor)


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_directory_is_no_file_to_overwrite(tmp_path: Path, overwrite: bool) -> None:
    refusal = pytest.raises(InvalidInputError, match=r"^cannot write (?!.*--force)")
    with refusal, Recorder(Run(), tmp_path, overwrite=overwrite):
        pass


def test_a_terminal_is_refused() -> None:
    controller, terminal = os.openpty()
    try:
        refusal = pytest.raises(InvalidInputError, match="it is no file")
        with refusal, Recorder(Run(), os.ttyname(terminal), overwrite=True):
            pass
    finally:
        os.close(controller)
        os.close(terminal)


@pytest.mark.parametrize("name", ["run.jsonl", "run.jsonl.gz"])
@pytest.mark.parametrize(
    ("replaced", "said"),
    [(False, "the file was deleted"), (True, "the file was replaced by another one")],
)
def test_a_file_that_vanished_is_told(
    tmp_path: Path, name: str, replaced: bool, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    path, run = tmp_path / name, Run()
    with Recorder(run, path) as recorder:
        run.wait_for(3)
        path.unlink()
        if replaced:
            path.write_text("mine")
    assert recorder.problem == f"recording to {path} has ended: {said}"
    assert caplog.messages == [recorder.problem]
    assert not replaced or path.read_text() == "mine"


def test_a_file_that_vanishes_is_told_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fuseboard.recording.recorder._FLUSH_SECONDS", 0.0)
    run = Run()
    with Recorder(run, tmp_path / "run") as recorder:
        run.wait_for(3)
        (tmp_path / "run").unlink()
        recorder._thread.join(30)
        assert recorder.problem.endswith("the file was deleted")


def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    refusal = pytest.raises(ValueError, match=r"cannot write .*/no/run: No such file or directory")
    with refusal, Recorder(Run(), tmp_path / "no" / "run"):
        pass


@pytest.mark.parametrize("name", ["full", "full.gz"])
def test_a_full_disk_is_told_and_harms_nobody(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / name
    path.symlink_to("/dev/full")
    run = Run()
    with Recorder(run, path, overwrite=True) as recorder:
        recorder._thread.join(30)
        assert recorder.problem == f"recording to {path} has ended: No space left on device"
    assert caplog.messages == [recorder.problem]


def test_a_number_that_json_has_no_word_for_ends_the_recording(tmp_path: Path) -> None:
    with Recorder(lambda: structs.replace(STARTING, uptime=inf), tmp_path / "run") as recorder:
        recorder._thread.join(30)
        assert recorder.problem.endswith(
            "ValueError: uptime is not a finite number, and JSON has no others"
        )


def test_half_of_a_surrogate_pair_ends_no_recording(tmp_path: Path) -> None:
    texts = iter(["before", "\ud83d", "after"])
    taken = threading.Event()

    def take() -> Snapshot:
        text = next(texts, "")
        if not text:
            taken.set()
        return structs.replace(STARTING, problem=text)

    with Recorder(take, tmp_path / "run"):
        assert taken.wait(30)
    recording = read_recording(tmp_path / "run")
    assert [recording.snapshot(number).problem for number in range(3)] == ["before", "?", "after"]


def test_a_source_that_breaks_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Snapshot:
        raise LookupError("gone")

    with Recorder(broken, tmp_path / "run") as recorder:
        recorder._thread.join(30)
        assert recorder.problem == f"recording to {tmp_path / 'run'} has ended: LookupError: gone"
    assert "the recorder broke" in caplog.text


FIRST = encode(STARTING).decode() + "\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "run is no recording: there is no whole line in it"),
        pytest.param(FIRST[:-9], "run is no recording: there is no whole line in it", id="cut off"),
        ("# Notes\n", "run, line 1: this is no JSON"),
        pytest.param("[" * 100_000 + "\n", "run, line 1: this is no JSON", id="deep JSON"),
        ("[1]\n", "run, line 1: this is no snapshot: it has no version"),
        ('{"version": 2}\n', "run, line 1: the snapshot lacks the field 'taken_at'"),
        (
            '{"version": 1, "taken_at": 1}\n',
            "run, line 1: this is a snapshot of version 1, and only 2",
        ),
        pytest.param(
            FIRST + '{"x": ' * 990 + "1" + "}" * 990 + "\n", "run, line 2: ", id="deep changes"
        ),
        pytest.param(FIRST + "oh\n{}\n", "run, line 2: this is no JSON", id="no JSON"),
        pytest.param(
            FIRST + '{}\n{"phase": {"x": 1}}\n',
            "run, line 3: there are changes of a value that has",
            id="changes of a text",
        ),
        pytest.param(
            FIRST + '{"uptime": null}\n',
            "run, line 2: it does not say when it was taken",
            id="no uptime",
        ),
        (b"\x1f\x8b no", "run is no recording"),
        (b"\xff\xfe\n", "run, line 1: this is no JSON"),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path: Path, content: str | bytes, said: str) -> None:
    path = tmp_path / "run"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ValueError) as refusal:
        read_recording(path)
    assert said in str(refusal.value)


GOOD: dict[str, Any] = json.loads(encode(running_snapshot(OPEN)))
TOO_LARGE = "1" + "0" * 400


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ('{"pools": {"0": {"maximum": 0}}}', "pools[0].maximum is 0, not a number above 0"),
        ('{"breakers":{"0":{"gauges":{"0":{"limit":0}}}}}', "breakers[0].gauges[0].limit is 0"),
        (f'{{"breakers": {{"0": {{"changed_at": {TOO_LARGE}}}}}}}', "breakers[0].changed_at"),
        (f'{{"breakers": {{"0": {{"in_flight": {TOO_LARGE}}}}}}}', "breakers[0].in_flight is 1000"),
        ('{"breakers": {"0": {"changed_at": 1e300}}}', "breakers[0].changed_at is 1e+300, not a"),
        ('{"breakers": {"0": {"history": {"0": {"at": -1}}}}}', "breakers[0].history[0].at is -1"),
        ('{"traffic": {"rate": 1e300}}', "traffic.rate is 1e+300, not a number below 2^63"),
        ('{"silence": 1e15}', "silence is 1000000000000000.0, not"),
        (
            '{"rates": {"ollama_generate": {"success": [1e300]}}}',
            "rates['ollama_generate'].success[0] is 1e+300",
        ),
        (f'{{"uptime": {TOO_LARGE}}}', "it does not say when it was taken"),
        ('{"taken_at": NaN}', "this is no JSON"),
        ('{"taken_at": Infinity}', "this is no JSON"),
        ('{"taken_at": 1e400}', "this is no JSON"),
        (f'{{"taken_at": 1{"0" * 5000}}}', "this is no JSON"),
        (f'{{"problem": "{"x" * 10_000_000}"}}', "problem is a text of 10,000,000 characters"),
        (f'{{"phase": "{"x" * 10_000_000}"}}', "phase is 'xxxx"),
        (f'{{"{"x" * 10_000_000}": 1}}', "the snapshot has an unknown field 'xxxx"),
        (f'{{"notices": {["x"] * 30_000}}}'.replace("'", '"'), "notices has 30,000 parts"),
    ],
    ids=lambda value: value[:40],
)
def test_what_cannot_be_drawn_is_refused_with_line_and_field(
    tmp_path: Path, change: str, said: str
) -> None:
    path = tmp_path / "run"
    path.write_text(f"{json.dumps(GOOD)}\n{change}\n")
    with pytest.raises(InvalidInputError) as refusal:
        read_recording(path).snapshot(1)
    message = str(refusal.value)
    assert f"run, line 2: {said}" in message
    assert len(message) < 500


def test_series_of_unequal_length_are_added_from_their_ends() -> None:
    assert BreakerRates(success=(1, 2, 3), rejected=(10,)).total == (1, 2, 13)
    assert BreakerRates().total == ()


MEASURED = """
import resource, sys
from fuseboard.recording.reader import read_recording
resource.setrlimit(resource.RLIMIT_AS, (900 * 2**20, 900 * 2**20))
try:
    read_recording(sys.argv[1])
except ValueError as error:
    print(error)
(peak,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(int(peak.split()[1]) // 1024)
"""


def written_by(steps: Iterator[bytes], path: Path) -> Path:
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.writelines(steps)
    return path


MIB = 1024 * 1024


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of the memory from /proc")
@pytest.mark.parametrize(
    ("first", "step", "count", "said", "mebibytes"),
    [
        ("", b"x" * MIB, 1024, "line 1: it is longer than 16,777,216 bytes", 100),
        (FIRST, b"{}\n" * (MIB // 3), 16, "line 1,000,001: at most", 300),
        (FIRST, b"{" + b" " * (MIB - 3) + b"}\n", 600, "at most 1,000,000 snapshots and", 700),
        (
            FIRST,
            b'{"log":{"-":0,"+":[' + b"[]," * (MIB // 3) + b"1]}}\n",
            16,
            "line 3: there are changes of a value with",
            300,
        ),
        (FIRST, b'{"log":"' + b"x" * (15 * MIB) + b'"}\n', 30, None, 700),
    ],
    ids=["one line", "empty lines", "long lines", "growing", "large"],
)
def test_a_small_file_that_expands_is_refused_in_bounded_memory(
    tmp_path: Path, first: str, step: bytes, count: int, said: str | None, mebibytes: int
) -> None:
    path = written_by(iter([first.encode(), *[step] * count]), tmp_path / "run.gz")
    ended = subprocess.run(
        [sys.executable, "-c", MEASURED, str(path)], capture_output=True, text=True, check=True
    )
    *messages, used = ended.stdout.splitlines()
    assert int(used) < mebibytes
    if said is not None:
        assert said in messages[0]


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot read .*/none: No such file or directory"):
        read_recording(tmp_path / "none")


def recording_of(*diff: dict[str, Any]) -> Recording:
    lines = [FIRST, *(json.dumps(change) + "\n" for change in diff)]
    return Recording("run", [line.encode() for line in lines], cut_off=False)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def replay(clock: ManualClock) -> Replay:
    """A minute, one snapshot a second; the first one is taken at 0.1 s."""
    steps = ({"uptime": 0.1 + second} for second in range(1, 61))
    return Replay(recording_of(*steps), clock=clock)


def shown(replay: Replay) -> int:
    return round(replay.snapshot().uptime - 0.1)


def test_it_plays_as_fast_as_it_was_recorded(replay: Replay, clock: ManualClock) -> None:
    for expected in (0, 2, 5, 7, 10):
        assert shown(replay) == expected
        clock.advance(2.5)
    assert replay.playing


def test_the_speed_changes_from_where_it_is(replay: Replay, clock: ManualClock) -> None:
    clock.advance(10)
    replay.faster()
    assert (shown(replay), replay.speed) == (10, 2)
    clock.advance(10)
    assert shown(replay) == 30
    replay.slower()
    replay.slower()
    clock.advance(10)
    assert (shown(replay), replay.speed) == (35, 0.5)


def test_the_speed_has_bounds_that_a_chosen_one_may_lie_beyond(replay: Replay) -> None:
    for _ in range(20):
        replay.faster()
    assert replay.speed == FASTEST
    for _ in range(20):
        replay.slower()
    assert replay.speed == SLOWEST
    chosen = Replay(recording_of(), speed=1000.0)
    chosen.faster()
    assert chosen.speed == 1000.0


def test_it_pauses_and_goes_on(replay: Replay, clock: ManualClock) -> None:
    clock.advance(7)
    replay.pause_or_go_on()
    clock.advance(100)
    assert (shown(replay), replay.playing, replay.ended) == (7, False, False)
    replay.pause_or_go_on()
    clock.advance(3)
    assert (shown(replay), replay.playing) == (10, True)


def test_it_can_be_moved_and_stays_within_the_recording(replay: Replay, clock: ManualClock) -> None:
    replay.seek(20)
    assert shown(replay) == 20
    replay.seek(-5)
    assert shown(replay) == 15
    replay.seek(-50)
    assert shown(replay) == 0
    clock.advance(1)
    replay.go_to_end()
    assert (shown(replay), replay.ended) == (60, True)
    replay.go_to_start()
    assert shown(replay) == 0


def test_it_stands_still_at_the_end_and_can_begin_anew(replay: Replay, clock: ManualClock) -> None:
    clock.advance(90)
    assert (shown(replay), replay.ended, replay.playing) == (60, True, False)
    replay.pause_or_go_on()
    assert (shown(replay), replay.playing) == (0, True)
    clock.advance(4)
    assert shown(replay) == 4


def test_time_never_goes_back_whatever_the_file_says() -> None:
    recording = recording_of({"uptime": 5.1}, {"uptime": 3.1}, {"uptime": 7.1})
    assert recording.seconds == pytest.approx([0, 5, 5, 7])


def test_a_failure_that_was_recorded_is_shown_and_ends_nothing() -> None:
    replay = Replay(recording_of({"phase": "failed", "problem": "no model", "uptime": 1}))
    replay.go_to_end()
    seen = replay.snapshot()
    assert (seen.phase, seen.notices) == (Phase.STOPPED, ("no model",))


def test_a_line_of_another_shape_is_a_failure_that_names_it() -> None:
    replay = Replay(recording_of({"uptime": 1, "phase": "ASLEEP"}))
    replay.go_to_end()
    seen = replay.snapshot()
    assert seen.phase is Phase.FAILED
    assert seen.problem.startswith("run, line 2: phase is 'ASLEEP', not one of")


def test_an_array_that_moves_on_by_many_items_is_written_shortly() -> None:
    old, new = list(range(300)), list(range(40, 340))
    step = diff(old, new)
    assert step == {"-": 40, "+": list(range(300, 340))}
    assert apply_diff(old, step) == new
