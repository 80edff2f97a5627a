"""The breakers of a snapshot and their history as CSV, for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import UTC, datetime

from fuseboard.breaker.records import summarize_failures
from fuseboard.breaker.state import State
from fuseboard.snapshot.snapshot import Snapshot

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def breakers_table(snapshot: Snapshot) -> str:
    """Write a row for each breaker: its state, why, and its counters."""
    heads = (
        "breaker state mode why changed_at seconds_in_state"
        " success failure rejected ignored late unsent in_flight consecutive_failures transitions"
        " closed_seconds open_seconds half_open_seconds"
    )
    return _table(
        heads.split(),
        (
            (
                _text(breaker.name),
                breaker.state.name,
                breaker.mode.value,
                _text(breaker.why),
                _time(breaker.changed_at),
                breaker.seconds_in_state,
                breaker.calls.success,
                breaker.calls.failure,
                breaker.calls.rejected,
                breaker.calls.ignored,
                breaker.late,
                breaker.unsent,
                breaker.in_flight,
                breaker.consecutive_failures,
                sum(breaker.transitions.values()),
                *(breaker.state_seconds.get(state, 0.0) for state in State),
            )
            for breaker in snapshot.breakers
        ),
    )


def transitions_table(snapshot: Snapshot) -> str:
    """Write a row for each transition that is remembered, breaker by breaker, oldest first."""
    return _table(
        ["breaker", "at", "from", "to", "reason", "causes"],
        (
            (
                _text(breaker.name),
                _time(step.at),
                step.from_state.name,
                step.to_state.name,
                _text(step.reason),
                summarize_failures(step.causes),
            )
            for breaker in snapshot.breakers
            for step in breaker.history
        ),
    )


def _table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    written = io.StringIO()
    table = csv.writer(written)
    table.writerow(heads)
    table.writerows(rows)
    return written.getvalue()


def _text(text: str) -> str:
    # A server's words must not become a formula in somebody's spreadsheet.
    return f"'{text}" if text.startswith(_FORMULA) else text


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
