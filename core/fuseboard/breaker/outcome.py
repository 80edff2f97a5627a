"""The outcome of a call, judged: what it proves about the service that was called."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """What a settled call proves about the guarded service."""

    SUCCESS = "success"
    """The service worked."""
    FAILURE = "failure"
    """The service did not work."""
    IGNORED = "ignored"
    """Nothing: the caller made a mistake, or cancelled the call."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """A verdict with its reason."""

    verdict: Verdict
    reason: str = ""
    """A short, stable text: `HTTP 500`, `ReadTimeout`. Never a prompt."""
    retry_after: float | None = None
    """Seconds the service asked clients to wait before the next call."""
    sent: bool = True
    """Whether the call left this process; one that did not is ignored."""


GOOD = Ruling(Verdict.SUCCESS)
"""The ruling on every success, because a success needs no reason."""
