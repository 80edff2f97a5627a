"""The commands that an engine accepts: plain data, cheap to import, without handlers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fuseboard.snapshot.fault_setting import FaultSetting

if TYPE_CHECKING:  # the dashboard imports this module before its first frame
    from fuseboard.faults.scenarios.scenario import Scenario


@dataclass(frozen=True, slots=True)
class SetFault:
    """Switch a fault on or off; without a setting, its setting stays as it is."""

    name: str
    active: bool
    setting: FaultSetting | None = None


@dataclass(frozen=True, slots=True)
class ClearFaults:
    """Switch every fault off and stop the scenario."""


@dataclass(frozen=True, slots=True)
class PlayScenario:
    """Start a scenario in place of the one that is playing."""

    scenario: Scenario


@dataclass(frozen=True, slots=True)
class RunTraffic:
    """Start or stop the generated traffic."""

    running: bool


@dataclass(frozen=True, slots=True)
class SetRate:
    """Set the rate of the generated traffic, in calls a second."""

    rate: float


@dataclass(frozen=True, slots=True)
class TripBreaker:
    """Open a breaker manually; it recovers as usual."""

    breaker: str


@dataclass(frozen=True, slots=True)
class ResetBreaker:
    """Close a breaker manually."""

    breaker: str


@dataclass(frozen=True, slots=True)
class DisableBreaker:
    """Admit every call, whatever its outcome, until the breaker is reset."""

    breaker: str


@dataclass(frozen=True, slots=True)
class Ask:
    """Send a prompt to the model in place of the one that is being answered."""

    prompt: str


@dataclass(frozen=True, slots=True)
class StopAsking:
    """Cancel the prompt that is being answered."""


@dataclass(frozen=True, slots=True)
class ConfigureBreaker:
    """Change tunables of a breaker while it runs."""

    breaker: str
    changes: Mapping[str, float]
    """New values by the names that `BreakerSnapshot.tunables` uses."""


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
