"""What a call's outcome says about the service that was called."""

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
    """A verdict with its reason."""

    verdict: Verdict
    reason: str = ""
    """Short, stable words: `HTTP 500`, `ReadTimeout`. Never a prompt."""
    retry_after: float | None = None
    """Seconds for which the service asked to be left alone."""
    sent: bool = True
    """Whether the call left this process at all; one that did not is ignored."""
