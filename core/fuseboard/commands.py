"""What a dashboard may ask of an engine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SetFault:
    """Switch a fault on at a probability (0–1), or off."""

    name: str
    active: bool
    probability: float


@dataclass(frozen=True, slots=True)
class ClearFaults:
    """Switch every fault off."""


@dataclass(frozen=True, slots=True)
class RunTraffic:
    """Start the engine's own calls, or stop them."""

    running: bool


@dataclass(frozen=True, slots=True)
class TripBreaker:
    """Open a breaker by hand; it recovers as usual."""

    breaker: str


@dataclass(frozen=True, slots=True)
class ResetBreaker:
    """Close a breaker by hand."""

    breaker: str


Command = SetFault | ClearFaults | RunTraffic | TripBreaker | ResetBreaker
