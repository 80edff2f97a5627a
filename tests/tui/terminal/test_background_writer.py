"""A writer whose reader is slow, stops reading, or is gone."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from fuseboard_tui.terminal import background_writer
from fuseboard_tui.terminal.background_writer import BackgroundWriter

PIPE = 1 << 16  # bytes that a pipe holds
LINE = b"x" * 999 + b"\n"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        with suppress(OSError):
            os.close(end)


def read_all(descriptor: int) -> bytes:
    return b"".join(iter(lambda: os.read(descriptor, PIPE), b""))


def test_everything_offered_is_written_in_order(pipe: tuple[int, int]) -> None:
    reader, sink = pipe
    writer = BackgroundWriter(sink, 1 << 20)
    lines = [f"{number}\n".encode() for number in range(1_000)]
    assert all(writer.offer(line) for line in lines)
    assert writer.close() == 0
    os.close(sink)
    assert read_all(reader) == b"".join(lines)


@pytest.mark.parametrize("blocking", [True, False])
def test_a_reader_that_stops_costs_lines_and_no_time(
    pipe: tuple[int, int], blocking: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background_writer, "_PATIENCE", 0.05)
    reader, sink = pipe
    os.write(sink, b"x" * PIPE)  # it is full
    os.set_blocking(sink, blocking)
    writer = BackgroundWriter(sink, 10 * len(LINE))
    taken = sum(writer.offer(LINE) for _ in range(1_000))
    assert taken == 11
    assert writer.close() == taken
    assert not writer.offer(LINE), "it is closed"
    os.close(reader)
    writer._thread.join(10)  # or it would write to whatever gets the descriptor's number
    os.close(sink)


def test_a_slow_reader_is_waited_for(pipe: tuple[int, int]) -> None:
    reader, sink = pipe
    writer = BackgroundWriter(sink, 1 << 20)
    offered = 4 * PIPE // len(LINE)
    assert all(writer.offer(LINE) for _ in range(offered))
    read: list[bytes] = []
    reading = threading.Thread(target=lambda: read.append(read_all(reader)))
    reading.start()
    assert writer.close() == 0
    os.close(sink)
    reading.join()
    assert read == [LINE * offered]


def test_what_is_discarded_is_not_written(pipe: tuple[int, int]) -> None:
    reader, sink = pipe
    writer = BackgroundWriter(sink, 1 << 20)
    writer.offer(b"a" * (PIPE + 1))  # fills the pipe, so that the next ones wait
    while writer.pending > 1:
        pass
    assert writer.offer(b"b")
    writer.discard()
    assert writer.pending == 1
    assert writer.offer(b"c")
    assert os.read(reader, PIPE) == b"a" * PIPE
    assert writer.close() == 0
    os.close(sink)
    assert read_all(reader) == b"ac"


def test_a_reader_that_is_gone_is_told(pipe: tuple[int, int]) -> None:
    reader, sink = pipe
    os.close(reader)
    told = threading.Event()
    writer = BackgroundWriter(sink, 1 << 20, told.set)
    assert writer.offer(LINE)
    assert told.wait(10)
    assert writer.failure is not None
    assert writer.failure.errno == errno.EPIPE
    assert not writer.offer(LINE)
    assert writer.close() == 1
