"""What a settled call says about the guarded service, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """What a settled call says about the guarded service."""

    SUCCESS = "success"
    """The service did its work."""
    FAILURE = "failure"
    """The service did not."""
    IGNORED = "ignored"
    """Nothing: the caller's own mistake, or the caller stopped it."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """A verdict with its reason: short, stable words, and never a prompt."""

    verdict: Verdict
    reason: str = ""
    retry_after: float | None = None
    """Seconds for which the service asked to be left alone, if it did."""
    sent: bool = True
    """Whether anything of the call left this process."""
