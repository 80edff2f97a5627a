"""What `serve` does when whoever reads its output is slow, stops reading, or is gone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from fuseboard.server.sockets import bind, url_of
from fuseboard_tui.cli.background_stderr import stderr_in_background
from fuseboard_tui.cli.json_lines import JsonLines
from tests.tui.cli.test_main import COMMAND, QUICK, events, next_event

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="knows POSIX descriptors only")

PIPE = 1 << 16  # bytes that a pipe holds
BUSY = [*QUICK, "--fault", "error500", "--failure-threshold", "1", "--recovery-timeout", "0.01"]


def fill(sink: int) -> None:
    """Write into a pipe until it is full."""
    os.set_blocking(sink, False)
    with suppress(BlockingIOError):
        while True:
            os.write(sink, b"\n" * PIPE)
    os.set_blocking(sink, True)


@contextmanager
def full_pipe() -> Iterator[tuple[int, int]]:
    """A pipe that nobody reads."""
    reader, sink = os.pipe()
    fill(sink)
    try:
        yield reader, sink
    finally:
        os.close(reader)
        os.close(sink)


def test_a_reader_that_stops_reading_stops_neither_the_engine_nor_its_end() -> None:
    """The first line is read, then nothing: the endpoint answers, SIGTERM ends it."""
    reader, sink = os.pipe()
    with subprocess.Popen(
        [*COMMAND, *BUSY], stdout=sink, stderr=subprocess.PIPE, text=True
    ) as process:
        with open(reader, buffering=1, closefd=False) as lines:
            ready = json.loads(lines.readline())
        fill(sink)
        os.close(sink)
        health = ready["metrics_url"].replace("/metrics", "/health")
        for _ in range(5):
            assert httpx.get(health, timeout=5).status_code == 200
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
        assert time.monotonic() - began < 8
        assert process.returncode == 2
        assert errors.startswith("fuseboard: nobody reads stdout: ")
        assert errors.endswith(" lines are lost\n")
        assert errors.count("\n") == 1
    os.close(reader)


def test_a_reader_of_stderr_that_stops_reading_stops_nothing_either() -> None:
    """Nothing listens at that address, so that a notice and a warning are written."""
    with full_pipe() as (_, sink):
        options = ["serve", "--metrics-port", "0", "--ollama", "http://127.0.0.1:9"]
        with subprocess.Popen(
            [*COMMAND, *options], stdout=subprocess.PIPE, stderr=sink, text=True
        ) as process:
            ready = next_event(process, "ready")
            health = ready["metrics_url"].replace("/metrics", "/health")
            assert httpx.get(health, timeout=5).status_code == 200
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=20)
    assert events(output)[-1]["event"] == "summary"
    assert process.returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [[*QUICK, "--duration", "20"], ["--help"], ["--version"], ["simulator", "--port", "0"]],
    ids=["serve", "help", "version", "simulator"],
)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_ends_it_in_one_sentence(arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [*COMMAND, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, timeout=30
        )
    assert ran.stderr == "fuseboard: cannot write stdout: No space left on device\n"
    assert ran.returncode == 2


def shell(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "-c", script, *COMMAND], capture_output=True, text=True, timeout=30
    )


def test_a_closed_stdout_ends_it_in_one_sentence() -> None:
    ran = shell(f'"$0" "$@" {" ".join(QUICK)} --duration 20 >&-')
    assert ran.stderr == "fuseboard: stdout is closed, and the events are written there\n"
    assert ran.returncode == 2


def test_what_is_written_to_a_closed_stdout_is_not_lost_silently() -> None:
    ran = shell('"$0" "$@" export grafana >&-')
    assert ran.stderr == "fuseboard: cannot write stdout: Bad file descriptor\n"
    assert ran.returncode == 2


def test_a_reader_that_leaves_ends_it_in_one_sentence_and_as_sigpipe_would() -> None:
    with subprocess.Popen(
        [*COMMAND, *BUSY], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=20) == 128 + signal.SIGPIPE
        assert process.stderr.read() == "fuseboard: cannot write stdout: Broken pipe\n"


def test_a_closed_stdin_and_stderr_are_nothing() -> None:
    ran = shell(f'"$0" "$@" {" ".join(QUICK)} --duration 0.2 <&- 2>&-')
    assert [event["event"] for event in events(ran.stdout)] == ["ready", "summary"]
    assert ran.returncode == 0


def test_sigterm_ends_it_while_it_waits_for_its_model() -> None:
    with (
        bind("127.0.0.1", 0) as listener,
        subprocess.Popen(
            [*COMMAND, "serve", "--metrics-port", "0", "--ollama", url_of(listener)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        listener.setblocking(True)
        with listener.accept()[0]:  # it is asked, and does not answer
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert [event["event"] for event in events(output)] == ["summary"]


Event = dict[str, Any]


def read_some(reader: int, count: int) -> bytes:
    read = b""
    while len(read) < count:
        read += os.read(reader, PIPE)
    return read


@contextmanager
def reading_until(reader: int, end: bytes, read: bytearray) -> Iterator[None]:
    """Read on a thread of its own until `end` has come."""

    def drain() -> None:
        while end not in read:
            read.extend(os.read(reader, PIPE))

    thread = threading.Thread(target=drain)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def test_what_had_to_be_dropped_is_counted_and_said() -> None:
    written = 200
    with full_pipe() as (reader, sink):
        lines = JsonLines(sink, lambda: None)
        lines.open({"event": "ready"})
        for number in range(written):
            lines.write({"event": "transition", "number": number, "reason": "x" * 10_000})
        read = bytearray(read_some(reader, 4 * PIPE))  # now there is room again
        lines.write({"event": "summary"})
        with reading_until(reader, b'"summary"', read):
            assert lines.close() == 0
    told: list[Event] = [json.loads(line) for line in read.decode().split("\n") if line]
    kinds = [event["event"] for event in told]
    assert kinds[0] == "ready"
    assert kinds[-2:] == ["dropped", "summary"]
    transitions = [event["number"] for event in told if event["event"] == "transition"]
    assert transitions == list(range(len(transitions)))
    assert told[-2]["lines"] == written - len(transitions) > 0


def test_what_happens_before_the_first_line_is_held_back_in_bounded_memory() -> None:
    reader, sink = os.pipe()
    lines = JsonLines(sink, lambda: None)
    for number in range(1_500):
        lines.write({"event": "transition", "number": number})
    read = bytearray()
    with reading_until(reader, b'"number": 999}\n', read):
        lines.open({"event": "ready"})
        assert lines.close() == 0
    os.close(reader)
    os.close(sink)
    told = [json.loads(line) for line in read.splitlines()]
    assert told[0] == {"event": "dropped", "lines": 500}
    assert told[1] == {"event": "ready"}
    assert len(told) == 1_002


def test_lines_on_stderr_stay_whole_and_those_dropped_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader, sink = os.pipe()
    with open(sink, "w", closefd=False) as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        fill(sink)
        with ExitStack() as stack, stderr_in_background():
            for number in range(500):
                sys.stderr.write(f"{number} {'x' * 1_000}\n")
            read = bytearray(read_some(reader, 3 * PIPE))  # now there is room again
            sys.stderr.write("last")
            stack.enter_context(reading_until(reader, b"last", read))
        assert sys.stderr is stderr
    os.close(reader)
    os.close(sink)
    told = read.decode().strip("\n").split("\n")
    numbers = [int(line.split()[0]) for line in told if line.endswith("x")]
    assert numbers == list(range(len(numbers)))
    assert told[-2:] == [f"({500 - len(numbers)} lines were not read in time)", "last"]
