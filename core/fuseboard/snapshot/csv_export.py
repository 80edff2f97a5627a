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
    """Return a CSV table with a row for each breaker: state, reason and counters."""
    header = (
        "breaker state mode why changed_at seconds_in_state"
        " success failure rejected ignored late unsent in_flight consecutive_failures transitions"
        " closed_seconds open_seconds half_open_seconds"
    )
    return _table(
        header.split(),
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
    """Return a CSV table with a row for each transition in a history, by breaker, oldest first."""
    return _table(
        ["breaker", "at", "from", "to", "reason", "causes"],
        (
            (
                _text(breaker.name),
                _time(transition.at),
                transition.from_state.name,
                transition.to_state.name,
                _text(transition.reason),
                summarize_failures(transition.causes),
            )
            for breaker in snapshot.breakers
            for transition in breaker.history
        ),
    )


def _table(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    written = io.StringIO()
    table = csv.writer(written)
    table.writerow(header)
    table.writerows(rows)
    return written.getvalue()


def _text(text: str) -> str:
    # Text from a server must not become a formula in a spreadsheet.
    return f"'{text}" if text.startswith(_FORMULA) else text


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
