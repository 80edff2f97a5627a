"""What is copied to the clipboard: a breaker or a transition as one line of text."""

from __future__ import annotations

from datetime import UTC, datetime

from fuseboard.breaker.durations import format_duration
from fuseboard.breaker.records import Transition
from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard_tui.text.glyphs import state_label
from fuseboard_tui.text.sanitize import sanitize


def breaker_line(breaker: BreakerSnapshot) -> str:
    """Say where a breaker stands, why, and how its calls ended."""
    calls = breaker.calls
    return (
        f"{sanitize(breaker.name)}: {state_label(breaker)}"
        f" for {format_duration(breaker.seconds_in_state)}"
        f", {sanitize(breaker.why)}; success {calls.success}, failure {calls.failure}"
        f", rejected {calls.rejected}, ignored {calls.ignored}"
    )


def transition_line(step: Transition) -> str:
    """Say when a breaker went from where to where, and why."""
    at = datetime.fromtimestamp(step.at, UTC)
    return (
        f"{at:%Y-%m-%d %H:%M:%S} UTC: {step.from_state.name} → {step.to_state.name}"
        f", {sanitize(step.reason)}"
    )
