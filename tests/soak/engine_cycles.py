"""An engine started and stopped again and again: `python -m tests.soak.engine_cycles`.

It is stopped at once, when it is ready, or in the middle of its traffic, with and
without faults. Descriptors, threads and memory must stay what they were. Linux only.
"""

from __future__ import annotations

import argparse
import gc
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fuseboard import REGISTRY
from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard.engine.engine import Engine
from fuseboard.engine.settings import EngineSettings
from fuseboard.faults.notation import parse_fault
from fuseboard.snapshot.snapshot import Phase

_WARM_UP = 20  # cycles, in which caches fill and the allocator takes what it needs
_MAX_GROWTH = 10.0  # MiB after that
_CALL_SECONDS = 20.0
_FAULTS = ("", "stall", "error500", "cut", "refuse")


@dataclass(frozen=True, slots=True)
class Figures:
    """What the process holds after so many cycles."""

    cycles: int
    seconds: float
    descriptors: int
    threads: int
    objects: int
    """What the garbage collector knows of."""
    mebibytes: float

    def __str__(self) -> str:
        return (
            f"{self.cycles:5d} cycles {self.seconds:6.0f} s  {self.descriptors} descriptors"
            f"  {self.threads} threads  {self.objects:,} objects  {self.mebibytes:.1f} MiB"
        )


def cycles(count: int) -> Iterator[Figures]:
    """Start and stop an engine so many times; yield the figures after each."""
    began = time.monotonic()
    for number in range(count):
        _cycle(number)
        gc.collect()
        yield Figures(
            cycles=number + 1,
            seconds=time.monotonic() - began,
            descriptors=len(list(Path("/proc/self/fd").iterdir())),
            threads=threading.active_count(),
            objects=len(gc.get_objects()),
            mebibytes=_resident_mebibytes(),
        )


def problems(figures: Sequence[Figures]) -> Iterator[str]:
    """Yield what has grown that should not."""
    settled = figures[min(_WARM_UP, len(figures) // 2) :]
    first, last = settled[0], settled[-1]
    if last.descriptors > first.descriptors:
        yield f"descriptors: {first.descriptors}, then {last.descriptors}"
    if last.threads > first.threads:
        yield f"threads: {first.threads}, then {last.threads}"
    if last.objects - first.objects > 10 * (last.cycles - first.cycles):
        yield f"objects: {first.objects:,}, then {last.objects:,}"
    # Memory goes up and down with the allocator: the least of each half is compared.
    half = len(settled) // 2
    before, after = (
        min(each.mebibytes for each in part) for part in (settled[:half], settled[half:])
    )
    if after - before > _MAX_GROWTH:
        yield f"memory: {before:.1f} MiB, then {after:.1f}"
    if len(REGISTRY) or len(REGISTRY.pools) or len(REGISTRY.caches):
        yield f"registered: {REGISTRY.names()}, {REGISTRY.pools.names()}, {REGISTRY.caches.names()}"


def _cycle(number: int) -> None:
    fault = _FAULTS[number % len(_FAULTS)]
    engine = Engine(
        EngineSettings(
            simulate=True,
            metrics_port=0,
            rate=1000.0,
            faults=(parse_fault(fault),) if fault else (),
        )
    )
    engine.start()
    if number % 3:
        ready = engine.wait_until_ready()
        if ready.phase is not Phase.RUNNING:
            raise RuntimeError(f"it is {ready.phase.value}: {ready.problem}")
    if number % 3 == 2:
        _wait_for_calls(engine)
    engine.stop()
    last = engine.snapshot()
    if last.phase is not Phase.STOPPED:
        raise RuntimeError(f"it is {last.phase.value} in the end: {last.problem}")


def _wait_for_calls(engine: Engine) -> None:
    ends = time.monotonic() + _CALL_SECONDS
    while not any(_has_calls(breaker.snapshot()) for breaker in engine.breakers):
        if time.monotonic() > ends:
            raise RuntimeError(f"no call within {_CALL_SECONDS:g} s")
        time.sleep(0.001)


def _has_calls(breaker: BreakerSnapshot) -> bool:
    return breaker.in_flight > 0 or breaker.calls.success + breaker.calls.failure > 0


def _resident_mebibytes() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def main(arguments: Sequence[str] | None = None) -> int:
    """Print figures now and then, and the problems; return 1 if there are any."""
    parser = argparse.ArgumentParser(description="Start and stop an engine again and again.")
    parser.add_argument("--cycles", type=int, default=1000, help="how often (%(default)s)")
    options = parser.parse_args(arguments)
    figures = []
    for seen in cycles(options.cycles):
        figures.append(seen)
        if seen.cycles % 50 == 0 or seen.cycles == options.cycles:
            print(seen, flush=True)
    found = list(problems(figures))
    for problem in found:
        print(f"wrong: {problem}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
