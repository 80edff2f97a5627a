"""The results as a table and as JSON."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from tests.benchmarks.column import Column
from tests.benchmarks.contestant import Contestant
from tests.benchmarks.measuring import Overhead
from tests.benchmarks.ours import OURS

Results = Mapping[str, Mapping[str, Overhead]]
"""Overheads by the column's key and the contestant's name."""

FASTEST_PEER = "circuitbreaker"
AT_MOST_OF_FASTEST = 1.0
AT_MOST_OF_THREAD_SAFE = 0.6

_CANNOT = "–"


def machine() -> str:
    """Return the interpreter and machine that the times depend on."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{python}, {platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"


def draw(columns: Sequence[Column], contestants: Sequence[Contestant], results: Results) -> str:
    """Return the table with its footnotes and goals, as text."""
    header = ["ns over a bare call", *(column.title for column in columns)]
    rows = [header]
    for contestant in contestants:
        mark = "" if contestant.thread_safe else " *"
        name = f"{contestant.name} {contestant.version}{mark}"
        rows.append([name, *(_cell(results[column.key], contestant.name) for column in columns)])
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    lines = [_line(cells, widths) for cells in rows]
    lines.insert(1, "─" * len(lines[0]))
    lines += ["", "× is what it takes as a multiple of ours; the best rounds are compared."]
    if not all(contestant.thread_safe for contestant in contestants):
        lines.append("* is not thread-safe: its counts may be wrong under threads.")
    if any(
        contestant.name not in results[column.key]
        for contestant in contestants
        for column in columns
    ):
        lines.append(f"{_CANNOT} cannot do this.")
    for column in columns:
        lines += _goals(column, contestants, results[column.key])
    return "\n".join(lines)


def _cell(overheads: Mapping[str, Overhead], name: str) -> str:
    if name not in overheads:
        return f"{_CANNOT}       "
    ratio = _ratio(overheads[name], overheads[OURS])
    times = "" if ratio is None else f"{ratio:.2f}×"
    return f"{overheads[name].best:.0f} {times:>7}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        cell.ljust(width) if n == 0 else cell.rjust(width)
        for n, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "   ".join([first, *others])


def _goals(
    column: Column, contestants: Sequence[Contestant], overheads: Mapping[str, Overhead]
) -> Iterator[str]:
    """Yield a line on each goal that the installed peers allow to check."""
    thread_safe = [
        contestant.name
        for contestant in contestants
        if contestant.thread_safe and contestant.name != OURS and contestant.name in overheads
    ]
    against = [(FASTEST_PEER, "", AT_MOST_OF_FASTEST)] if FASTEST_PEER in overheads else []
    if thread_safe:
        cheapest = min(thread_safe, key=lambda name: overheads[name].best)
        against.append((cheapest, ", the cheapest thread-safe peer", AT_MOST_OF_THREAD_SAFE))
    for name, what, at_most in against:
        ratio = _ratio(overheads[OURS], overheads[name])
        if ratio is not None:
            met = "met" if ratio <= at_most else "missed"
            yield f"{column.title}: {ratio:.2f} × {name}{what}; at most {at_most:.1f}: {met}"


def _ratio(one: Overhead, other: Overhead) -> float | None:
    """Return the ratio of two overheads; `None` if a short run measured no overhead."""
    return one.best / other.best if other.best > 0 else None


def as_json(
    columns: Sequence[Column],
    contestants: Sequence[Contestant],
    results: Results,
    missing: Sequence[str],
) -> dict[str, object]:
    """Return all results as JSON values."""
    rows = []
    for contestant in contestants:
        overheads = {}
        for column in columns:
            overhead = results[column.key].get(contestant.name)
            overheads[column.key] = overhead and {
                **asdict(overhead),
                "of_ours": _ratio(overhead, results[column.key][OURS]),
            }
        rows.append(
            {
                "name": contestant.name,
                "version": contestant.version,
                "thread_safe": contestant.thread_safe,
                "ns_over_a_bare_call": overheads,
            }
        )
    return {"machine": machine(), "contestants": rows, "missing": list(missing)}
