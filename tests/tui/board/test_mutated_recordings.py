"""A short form of `tests.soak.recordings`: what the reader lets through can be drawn."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from fuseboard.invalid_input import InvalidInputError
from fuseboard.recording.reader import read_recording
from fuseboard.snapshot.codec import encode, from_builtins
from fuseboard.snapshot.snapshot import Snapshot
from fuseboard_tui.app import FuseboardApp
from fuseboard_tui.board.screen import BoardScreen
from tests.every_field import filled
from tests.soak.recordings import good_lines, mutated, soak
from tests.tui.fake_source import FakeSource


def test_a_mutated_recording_is_read_or_refused_with_a_short_message(tmp_path: Path) -> None:
    lines, path = good_lines(), tmp_path / "run"
    messages = []
    for seed in range(10_000, 10_300):
        path.write_bytes(mutated(lines, Random(seed)))
        try:
            recording = read_recording(path)
            for number in range(len(recording.seconds)):
                recording.snapshot(number)
        except InvalidInputError as error:
            messages.append(str(error))
    assert 0 < len(messages) < 300
    assert max(map(len, messages)) < 600


@pytest.mark.slow
async def test_a_mutated_recording_is_drawn_or_refused(tmp_path: Path) -> None:
    findings = await soak(range(20_000, 20_040), tmp_path)
    assert findings.problems == []
    assert findings.recordings == 40
    assert 0 < findings.refused < 40
    assert findings.drawn > 0


NUMBERS = [0, -1, 10**400, 1e300, -1e300, 5e-324, 2**63 - 1]


def numbers_in(value: Any, place: str = "") -> Iterator[tuple[Any, Any, str]]:
    """Yield each number in a JSON value: what holds it, its name or index, and its place."""
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in parts:
        here = f"{place}.{key}" if isinstance(key, str) else f"{place}[{key}]"
        if isinstance(part, dict | list):
            yield from numbers_in(part, here)
        elif isinstance(part, int | float) and not isinstance(part, bool) and key != "version":
            yield value, key, here


@pytest.mark.slow
async def test_every_number_of_a_snapshot_may_be_any_number() -> None:
    """It is refused, with the name of its field, or drawn."""
    value = json.loads(encode(filled(Snapshot, lambda place: place or "text", choice=1)))
    source = FakeSource()
    refused: dict[str, str] = {}
    async with FuseboardApp(source).run_test(size=(120, 36)) as pilot:
        board = pilot.app.screen
        assert isinstance(board, BoardScreen)
        for owner, key, place in numbers_in(value):
            before = owner[key]
            for number in NUMBERS:
                owner[key] = number
                try:
                    source.current = from_builtins(value)
                except InvalidInputError as error:
                    refused[place] = str(error)
                else:
                    board.take_snapshot()
                    await pilot.pause(0)
            owner[key] = before
    assert {".pools[0].maximum", ".breakers[0].gauges[0].limit", ".taken_at"} <= refused.keys()
    for place, message in refused.items():
        assert re.findall(r"[a-z]\w+", place)[-1] in message
        assert len(message) < 300
