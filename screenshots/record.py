"""Record the run that the README's screenshots are drawn from: `python -m screenshots.record`.

A real engine with the simulator runs for about a minute while the script presses
its keys. Each snapshot that the script shows goes into `run.jsonl.gz`.
"""

from __future__ import annotations

import asyncio
import gzip
import sys
from itertools import pairwise

from screenshots import draw
from screenshots.script import play
from screenshots.stage import StagedSource, staged

from fuseboard.breaker.registry import Registry
from fuseboard.engine.engine import Engine
from fuseboard.engine.settings import EngineSettings
from fuseboard.ollama import Deadlines
from fuseboard.recording.recorder import encode_line
from fuseboard.snapshot.codec import to_builtins
from fuseboard.snapshot.snapshot import Snapshot


async def record() -> None:
    """Play the script before a real engine, and write the snapshots it shows."""
    engine = Engine(
        EngineSettings(
            simulate=True,
            rate=6,
            recovery_timeout=8,
            deadlines=Deadlines(first_token=3),
            seed=1,
        ),
        registry=Registry(),
    )
    engine.start()
    try:
        engine.wait_until_ready()
        snapshots = [engine.snapshot()]

        async def next_snapshot(seconds: float) -> Snapshot:
            await asyncio.sleep(seconds)
            snapshots.append(engine.snapshot())
            return snapshots[-1]

        async with staged(StagedSource(snapshots[0], engine.send), next_snapshot) as stage:
            await play(stage)
    finally:
        engine.stop()
    _write(snapshots)


def _write(snapshots: list[Snapshot]) -> None:
    values = [None, *map(to_builtins, snapshots)]
    lines = [encode_line(previous, value) for previous, value in pairwise(values) if value]
    draw.RUN.write_bytes(gzip.compress(b"".join(line + b"\n" for line in lines), mtime=0))
    print(draw.RUN)


if __name__ == "__main__":
    asyncio.run(record())
    sys.exit(draw.main([]))
