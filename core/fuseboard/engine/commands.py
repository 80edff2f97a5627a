"""What a dashboard may ask of an engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fuseboard.faults.scenarios.scenario import Scenario
from fuseboard.snapshot.fault_setting import FaultSetting


@dataclass(frozen=True, slots=True)
class SetFault:
    """Switch a fault on or off; without a setting it stays set as it was."""

    name: str
    active: bool
    setting: FaultSetting | None = None


@dataclass(frozen=True, slots=True)
class ClearFaults:
    """Switch every fault off, and play the scenario no further."""


@dataclass(frozen=True, slots=True)
class PlayScenario:
    """Begin a scenario, in place of the one that is being played."""

    scenario: Scenario


@dataclass(frozen=True, slots=True)
class RunTraffic:
    """Start the engine's own calls, or stop them."""

    running: bool


@dataclass(frozen=True, slots=True)
class SetRate:
    """Have the engine start so many calls a second."""

    rate: float


@dataclass(frozen=True, slots=True)
class TripBreaker:
    """Open a breaker by hand; it recovers as usual."""

    breaker: str


@dataclass(frozen=True, slots=True)
class ResetBreaker:
    """Close a breaker by hand."""

    breaker: str


@dataclass(frozen=True, slots=True)
class DisableBreaker:
    """Let every call through, whatever becomes of it, until the breaker is reset."""

    breaker: str


@dataclass(frozen=True, slots=True)
class Ask:
    """Put a prompt to the model, in place of the one that is being answered."""

    prompt: str


@dataclass(frozen=True, slots=True)
class StopAsking:
    """Wait no longer for what is still to come of the answer."""


@dataclass(frozen=True, slots=True)
class ConfigureBreaker:
    """Change numbers of a breaker's settings while it runs."""

    breaker: str
    changes: Mapping[str, float]
    """New values by name, as `BreakerSnapshot.settings` names them."""


Command = (
    SetFault
    | ClearFaults
    | PlayScenario
    | RunTraffic
    | SetRate
    | TripBreaker
    | ResetBreaker
    | DisableBreaker
    | Ask
    | StopAsking
    | ConfigureBreaker
)
