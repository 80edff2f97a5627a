"""Commands to the source: traffic, scenarios, and the selected breaker."""

from __future__ import annotations

from collections.abc import Callable

from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard.engine.commands import (
    DisableBreaker,
    PlayScenario,
    ResetBreaker,
    RunTraffic,
    SetRate,
    TripBreaker,
)
from fuseboard_tui.timeline.source import Source

_MIN_RATE, _MAX_RATE = 0.125, 1024.0  # calls per second


class SourceCommands:
    """Send the commands behind the board's keys, except those about faults.

    A command that needs a breaker or traffic is not sent where there is none.

    Args:
        source: Receives the commands.
        selected: Returns the selected breaker.
    """

    def __init__(self, source: Source, selected: Callable[[], BreakerSnapshot | None]) -> None:
        self._source = source
        self._selected = selected

    def toggle_traffic(self) -> None:
        """Start the traffic, or stop it."""
        traffic = self._source.snapshot().traffic
        if traffic is not None:
            self._source.send(RunTraffic(not traffic.running))

    def scale_rate(self, factor: float) -> None:
        """Multiply the traffic's calls per second, within 0.125 and 1024."""
        traffic = self._source.snapshot().traffic
        if traffic is not None:
            rate = min(max(traffic.rate * factor, _MIN_RATE), _MAX_RATE)
            self._source.send(SetRate(rate))

    def play_scenario(self, name: str) -> None:
        """Play a built-in scenario."""
        from fuseboard.faults.scenarios.scenario import find_scenario

        self._source.send(PlayScenario(find_scenario(name)))

    def trip(self) -> None:
        """Open the selected breaker manually."""
        self._send_for_selected(TripBreaker)

    def reset(self) -> None:
        """Close the selected breaker manually."""
        self._send_for_selected(ResetBreaker)

    def disable(self) -> None:
        """Admit every call to the selected breaker."""
        self._send_for_selected(DisableBreaker)

    def _send_for_selected(
        self, command: type[TripBreaker] | type[ResetBreaker] | type[DisableBreaker]
    ) -> None:
        selected = self._selected()
        if selected is not None:
            self._source.send(command(selected.name))
