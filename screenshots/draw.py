"""Draw the README's screenshots and its tour from a recorded run: `python -m screenshots.draw`.

The dashboard runs without a terminal and shows the snapshots of `run.jsonl.gz`,
which `python -m screenshots.record` has recorded from a real engine. Two runs
draw the same bytes; `--check` compares them with the files that are there.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from screenshots.animation import animate
from screenshots.script import play
from screenshots.stage import StagedSource, staged

from fuseboard.recording.reader import read_recording
from fuseboard.snapshot.snapshot import Snapshot

FOLDER = Path(__file__).parent
RUN = FOLDER / "run.jsonl.gz"


async def draw() -> Mapping[Path, str]:
    """Return the SVGs by their paths."""
    recording = read_recording(RUN)
    numbers = iter(range(1, len(recording.seconds)))

    async def next_snapshot(_: float) -> Snapshot:
        return recording.snapshot(next(numbers))

    source = StagedSource(recording.snapshot(0), send=lambda _: None)
    async with staged(source, next_snapshot) as stage:
        await play(stage)
        drawings = {**stage.screenshots, "tour": animate(stage.frames)}
    return {FOLDER / f"{name}.svg": svg for name, svg in drawings.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the SVGs, or compare them with the files; return 1 if they differ."""
    parser = argparse.ArgumentParser(
        prog="python -m screenshots.draw", description="Draw the README's screenshots."
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail if a file would change"
    )
    check_only = parser.parse_args(arguments).check
    drawings = asyncio.run(draw())
    changed = [path for path, svg in drawings.items() if _text_of(path) != svg]
    for path in changed:
        if check_only:
            print(f"{path} is not what is drawn now", file=sys.stderr)
        else:
            path.write_text(drawings[path], encoding="utf-8")
            print(path)
    return 1 if check_only and changed else 0


def _text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main())
