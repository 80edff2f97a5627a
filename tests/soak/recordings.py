"""Mutated recordings, read and drawn: `python -m tests.soak.recordings`.

Each is a good recording with some places of it changed: bytes, lines, numbers, texts,
structure, compression. It must be refused with a short message that names the file, or be
drawn; either within seconds and in bounded memory. Equal seeds give equal recordings.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

from fuseboard.recording.reader import Recording, read_recording
from fuseboard.recording.recorder import encode_line
from fuseboard.recording.replay import Replay
from fuseboard.snapshot.codec import to_builtins
from fuseboard.snapshot.snapshot import Phase, Snapshot
from fuseboard_tui.app import FuseboardApp
from fuseboard_tui.text.sanitize import is_safe, sanitize
from tests.every_field import filled, hostile
from tests.tui.fake_source import HALF_OPEN, OPEN, FakeSource, running_snapshot

_SNAPSHOTS = 4  # of a recording
_LONGEST_MESSAGE = 600  # characters
_MOST_SECONDS = 5.0  # of CPU time for one recording
_SHARE_OF_SCREENS = 0.3  # of the recordings, of which another screen is drawn too
_SIZES = [(120, 36), (200, 50), (60, 18)]
_KEYS = ["d", "s", "l", "a", "enter", "question_mark", "o", "y", "e", "x", "slash"]

_RAW = "\x00raw\x00"  # marks what is written without quotes
_TERMS: list[Any] = [
    *(0, -1, 1, 0.0, -0.5, 5e-324, 1e15, -1e15, 1e308, -1e308, 2**31, 2**63, 2**64, -(2**63)),
    *(f"{_RAW}1{'0' * 400}", f"{_RAW}-1{'0' * 400}", f"{_RAW}1{'0' * 5000}"),
    *(f"{_RAW}{word}" for word in ("NaN", "Infinity", "-Infinity", "1e400", "1e-400", "-0", "01")),
    *("", "a" * 10_000, "a" * 200_000, "\n" * 5000, hostile(), "\ud83d", "/", "=", "0"),
    *(None, True, False, [], {}, [[]], [0] * 30_000, [0, 0], ["x"], {"0": 0}, {"x": 1}),
    *({"=": {}}, {"=": 1}, {"-": 0, "+": []}, {"-": -1, "+": []}, {"-": 99, "+": [1]}, {"-": "a"}),
    *({"-": 0, "+": [1] * 25_000}, {"99": 1}, {"9" * 5000: 1}, {str(n): n for n in range(25_000)}),
    f"{_RAW}{'[' * 2000}{']' * 2000}",
    f'{_RAW}{{"x":' * 1 + '{"x":' * 900 + "1" + "}" * 901,
]

_LINES = [b"", b"{}", b"null", b"[]", b"1", b"\xef\xbb\xbf"]


def good_lines() -> list[bytes]:
    """Return the lines of a recording in which every field is filled."""
    snapshots: list[Snapshot] = [
        filled(Snapshot, lambda place: place or "text", choice=choice) for choice in (1, 2, 3)
    ]
    snapshots += [running_snapshot(OPEN), running_snapshot(HALF_OPEN), running_snapshot()]
    values = [
        {**to_builtins(each), "uptime": 1.0 + number} for number, each in enumerate(snapshots)
    ]
    return [encode_line(None, values[0]), *(encode_line(*pair) for pair in pairwise(values))]


def mutated(lines: Sequence[bytes], random: Random) -> bytes:
    """Return the file of a recording in which some places are changed."""
    lines = list(lines)
    for _ in range(random.choice((1, 1, 1, 2, 5))):
        random.choice((_change_part, _change_part, _change_part, _change_bytes, _change_lines))(
            lines, random
        )
    content = b"\n".join(lines) + b"\n"
    if random.random() < 0.2:
        content = gzip.compress(content, mtime=0)
        if random.random() < 0.5:
            broken = [content]
            _change_bytes(broken, random)
            content = broken[0]
    return content


def _change_part(lines: list[bytes], random: Random) -> None:
    number = random.randrange(len(lines))
    try:
        value = json.loads(lines[number])
    except (ValueError, RecursionError):
        return
    places = list(_places_in(value))
    if not places:
        return
    owner, key = random.choice(places)
    if isinstance(owner, dict) and random.random() < 0.15:
        owner[random.choice(["x", "=", "-", hostile(), "a" * 10_000])] = owner.pop(key)
    elif random.random() < 0.1:
        del owner[key]
    else:
        owner[key] = random.choice(_TERMS)
    lines[number] = _as_json(value)


def _places_in(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield value, key
            yield from _places_in(part)


def _as_json(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=True)
    mark = json.dumps(_RAW)[1:-1]
    while (start := text.find(f'"{mark}')) >= 0:
        raw, end = json.JSONDecoder().raw_decode(text, start)
        text = text[:start] + raw.removeprefix(_RAW) + text[end:]
    return text.encode()


def _change_bytes(lines: list[bytes], random: Random) -> None:
    number = random.randrange(len(lines))
    line = bytearray(lines[number])
    start = random.randrange(len(line) + 1)
    length = random.choice((1, 1, 2, 10, 500))
    match random.randrange(4):
        case 0:
            line[start : start + length] = random.randbytes(length)
        case 1:
            del line[start : start + length]
        case 2:
            line[start:start] = line[start : start + length] * random.choice((1, 2, 100))
        case _:
            line[start : start + 1] = random.choice([b"0", b"-", b'"', b"\\", b"]", b"\x9b", b"\n"])
    lines[number] = bytes(line)


def _change_lines(lines: list[bytes], random: Random) -> None:
    first, second = random.randrange(len(lines)), random.randrange(len(lines))
    match random.randrange(5):
        case 0:
            lines[first], lines[second] = lines[second], lines[first]
        case 1:
            lines[first:first] = [lines[second]] * random.choice((1, 300))
        case 2 if len(lines) > 1:
            del lines[first]
        case 3:
            lines[first] = lines[first][: random.randrange(len(lines[first]) + 1)]
        case _:
            lines[first:first] = [
                random.choice([b"", b"{}", b"null", b"[]", b"1", b"\xef\xbb\xbf"])
            ]


@dataclass
class Findings:
    """What became of the recordings."""

    recordings: int = 0
    refused: int = 0
    drawn: int = 0
    """Snapshots that were drawn."""
    slowest: float = 0.0
    """Seconds of CPU time that one recording took at most."""
    problems: list[str] = field(default_factory=list)


async def soak(seeds: Sequence[int], directory: Path) -> Findings:
    """Read and draw one recording for each seed, and return what was found."""
    findings = Findings()
    lines = good_lines()
    pending = list(seeds)
    while pending:
        # A new board now and then, which another board must not need after an error.
        batch, pending = pending[:100], pending[100:]
        source = FakeSource()
        app = FuseboardApp(source, directory=directory)
        done: list[int] = []
        try:
            async with app.run_test(size=_SIZES[len(pending) // 100 % len(_SIZES)]) as pilot:
                for seed in batch:
                    done.append(seed)
                    began = time.process_time()
                    random = Random(seed)
                    path = directory / "run"
                    path.write_bytes(mutated(lines, random))
                    for snapshot in _snapshots(path, random, findings):
                        source.current = snapshot
                        app.screen_stack[0].take_snapshot()  # type: ignore[attr-defined]
                        await pilot.pause(0)
                        findings.drawn += 1
                    if random.random() < _SHARE_OF_SCREENS:
                        await pilot.press(random.choice(_KEYS))
                        await pilot.press("escape", "escape")
                    findings.recordings += 1
                    took = time.process_time() - began
                    findings.slowest = max(findings.slowest, took)
                    if took > _MOST_SECONDS:
                        findings.problems.append(f"seed {seed}: it took {took:.0f} s")
                    _remove_exports(directory)
        except Exception:  # noqa: BLE001 (that is what is looked for)
            findings.problems.append(f"seed {done[-1]}: {traceback.format_exc()}")
            pending = batch[len(done) :] + pending
    return findings


def _remove_exports(directory: Path) -> None:
    for file in directory.glob("fuseboard-*"):
        file.unlink()


def _snapshots(path: Path, random: Random, findings: Findings) -> list[Snapshot]:
    """Return some snapshots of a recording; none if it is refused."""
    try:
        recording = read_recording(path)
    except ValueError as error:
        findings.refused += 1
        _check_message(str(error), path, findings)
        return []
    snapshots = []
    for snapshot in _replayed(recording, random):
        if snapshot.phase is Phase.FAILED:
            _check_message(snapshot.problem, path, findings)
        else:
            snapshots.append(snapshot)
    findings.refused += not snapshots
    return snapshots


def _replayed(recording: Recording, random: Random) -> Iterator[Snapshot]:
    replay = Replay(recording)
    replay.pause_or_go_on()
    yield replay.snapshot()
    for seconds in random.sample(recording.seconds, min(_SNAPSHOTS, len(recording.seconds))):
        replay.go_to_start()
        replay.seek(seconds)
        yield replay.snapshot()


def _check_message(message: str, path: Path, findings: Findings) -> None:
    names_file = message.startswith((str(path), "cannot read"))
    if not names_file or len(message) > _LONGEST_MESSAGE or not is_safe(sanitize(message)):
        findings.problems.append(f"a bad message: {message[:200]!r}, {len(message)} characters")


def main() -> int:
    """Run the soak as the command line says, and return 1 if there were problems."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--count", type=int, default=3500, help="how many recordings")
    parser.add_argument("--seed", type=int, default=1, help="the seed of the first one")
    arguments = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        seeds = range(arguments.seed, arguments.seed + arguments.count)
        findings = asyncio.run(soak(seeds, Path(directory)))
    mebibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{findings.recordings} recordings, {findings.refused} refused, {findings.drawn} snapshots"
        f" drawn in {time.monotonic() - began:.0f} s; the slowest took {findings.slowest:.1f} s;"
        f" memory at most {mebibytes:.0f} MiB"
    )
    for problem in findings.problems:
        print(problem, file=sys.stderr)
    return 1 if findings.problems else 0


if __name__ == "__main__":
    sys.exit(main())
