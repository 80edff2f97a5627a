"""Charts made of characters: bars, sparklines, state strips."""

from __future__ import annotations

from collections.abc import Sequence

from fuseboard.breaker.records import Transition
from fuseboard.breaker.state import State

_LEVELS = "▁▂▃▄▅▆▇█"
_EIGHTHS = " ▏▎▍▌▋▊▉█"

_SEVERITY = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}


def bar(share: float, width: int) -> str:
    """Return a bar that fills `share` (0–1) of `width` cells, in eighths of a cell."""
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(width)


def sparkline(values: Sequence[float], width: int, peak: float | None = None) -> str:
    """Return a chart of the last `width` values, right-aligned.

    Args:
        values: At least 0 each; only 0 itself has the lowest mark.
        width: Cells, one for each value.
        peak: The value of the highest mark; by default the largest value shown.
    """
    shown = values[-width:] if width > 0 else ()
    peak = max(shown, default=0.0) if peak is None else peak
    marks = [_LEVELS[0] if value <= 0 else _LEVELS[1 + int(value / peak * 6)] for value in shown]
    return "".join(marks).rjust(max(width, 0))


def worst_states(
    history: Sequence[Transition],
    present: State,
    *,
    now: float,
    known_since: float,
    seconds: float,
    width: int,
    clock_step: float = 0.0,
) -> list[State | None]:
    """Return the worst state in each of `width` equal parts of the last `seconds`.

    OPEN is worse than HALF_OPEN, and that is worse than CLOSED, so that a short
    opening is never hidden. `None` stands for a time before `known_since`.

    Args:
        history: Transitions, oldest first.
        present: The state after the last one.
        now: The end of the last cell, Unix seconds.
        known_since: Unix seconds.
        seconds: The length of all cells together.
        width: The number of cells.
        clock_step: Seconds that the wall clock was set forward since the last transition.
    """
    cell = seconds / width
    # Cells begin at multiples of their length, so that the strip moves by whole cells.
    begin = (now // cell + 1) * cell - seconds
    cells: list[State | None] = [None] * width
    changes = [each for each in history if each.from_state is not each.to_state]
    starts = [known_since, *(change.at + clock_step for change in changes)]
    for index in range(len(starts) - 2, -1, -1):  # the clock may have been set before that, too
        starts[index] = min(starts[index], starts[index + 1])
    states = [*(change.from_state for change in changes), present]
    ends = [*starts[1:], now]
    for state, start, end in zip(states, starts, ends, strict=True):
        first = max(int((start - begin) // cell), 0)
        last = min(int((end - begin) // cell), width - 1)
        for index in range(first, last + 1):
            before = cells[index]
            if before is None or _SEVERITY[state] > _SEVERITY[before]:
                cells[index] = state
    return cells
