"""Notifications of the board: opened breakers, refused commands, a silent source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from textual.screen import Screen

from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard.breaker.state import State
from fuseboard.snapshot.snapshot import Refusal, Snapshot
from fuseboard_tui.text.glyphs import GLYPHS
from fuseboard_tui.text.sanitize import sanitize
from fuseboard_tui.widgets.notice_line import NOTABLE_SILENCE, silence_message

_MOST_AT_ONCE = 5  # notifications of one kind; a screen has no room for more


class Notifications:
    """Notify the user once of each event.

    Args:
        screen: The board.
        bell: Whether the terminal's bell rings when a breaker opens.
    """

    def __init__(self, screen: Screen[None], *, bell: bool) -> None:
        self._screen = screen
        self._bell = bell
        self._openings = OpeningDetector()
        self._refusals: Sequence[Refusal] | None = None
        self._silent = False

    def notify_opened(self, snapshot: Snapshot) -> None:
        """Notify of breakers that have opened, and list the open ones in the terminal's title."""
        opened = list(self._openings.newly_opened(snapshot))
        if len(opened) > _MOST_AT_ONCE:
            more = f"{len(opened) - _MOST_AT_ONCE} more breakers are OPEN"
            self._screen.notify(more, severity="error", markup=False)
        for breaker in opened[:_MOST_AT_ONCE]:
            self._screen.notify(
                sanitize(breaker.why, 100),
                title=f"{sanitize(breaker.name, 40)} is OPEN",
                severity="error",
                markup=False,
            )
            if self._bell:
                self._screen.app.bell()
        self._screen.app.title = _terminal_title(snapshot)

    def notify_refusals(self, refusals: Sequence[Refusal]) -> None:
        """Notify of commands refused since the last call; the first call only records them."""
        known = refusals if self._refusals is None else self._refusals
        self._refusals = refusals
        for refusal in refusals[-_MOST_AT_ONCE:]:
            if refusal not in known:
                self._screen.notify(
                    sanitize(refusal.message, 200),
                    title="refused",
                    severity="warning",
                    markup=False,
                )

    def notify_silence(self, silence: float, now: float) -> None:
        """Notify on a screen in front of the board that the source has become silent.

        The board itself has a line for that.

        Args:
            silence: Seconds without a new snapshot.
            now: Unix seconds.
        """
        silent = silence >= NOTABLE_SILENCE
        if silent and not self._silent and self._screen.app.screen is not self._screen:
            self._screen.notify(silence_message(silence, now), severity="error", markup=False)
        self._silent = silent


class OpeningDetector:
    """Compare successive snapshots to find each opening once."""

    def __init__(self) -> None:
        # Of each breaker that was in the last snapshot, what was known of its last opening.
        self._known: dict[str, _Opening] = {}

    def newly_opened(self, snapshot: Snapshot) -> Iterator[BreakerSnapshot]:
        """Yield the breakers that have opened since the snapshot before.

        Breakers that were open in the first snapshot, and those that reopened
        because a probe failed, are left out.
        """
        known, self._known = self._known, {}
        for breaker in snapshot.breakers:
            before = known.get(breaker.name)
            if breaker.state is not State.OPEN:
                self._known[breaker.name] = before or _Opening(0.0, _trips(breaker))
                continue
            now = _Opening(breaker.changed_at, _trips(breaker))
            # The wall clock may have been set back, and not every source counts transitions.
            is_new = before is not None and (now.at > before.at or now.trips > before.trips)
            if is_new and not _probe_failed(breaker):
                yield breaker
            self._known[breaker.name] = now if before is None or is_new else before


class _Opening(NamedTuple):
    at: float
    """Unix seconds."""
    trips: int
    """How many there had been."""


def _trips(breaker: BreakerSnapshot) -> int:
    return breaker.transitions.get((State.CLOSED, State.OPEN), 0)


def _probe_failed(breaker: BreakerSnapshot) -> bool:
    return bool(breaker.history) and breaker.history[-1].from_state is State.HALF_OPEN


def _terminal_title(snapshot: Snapshot) -> str:
    opened = [breaker.name for breaker in snapshot.breakers if breaker.state is State.OPEN]
    if not opened:
        return "fuseboard"
    more = f" and {len(opened) - 1} more" if len(opened) > 1 else ""
    return f"{GLYPHS[State.OPEN]} {sanitize(opened[0], 40)}{more} OPEN · fuseboard"
