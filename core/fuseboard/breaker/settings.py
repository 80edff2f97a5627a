"""What can be set about a breaker, also while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypedDict

from fuseboard.breaker.backoff import Backoff
from fuseboard.breaker.classification import Classifier, ErrorRule, ResultPredicate
from fuseboard.breaker.policies.base import TripPolicy
from fuseboard.breaker.policies.consecutive import ConsecutiveFailures
from fuseboard.breaker.validation import require_count, require_seconds


class SettingsGiven(TypedDict, total=False):
    """The settings of `BreakerSettings`, as keywords."""

    trip: TripPolicy
    recovery_timeout: float | Backoff
    max_probes: int
    successes_to_close: int
    probe_timeout: float
    longest_retry_after: float
    failure_on: ErrorRule
    ignore: ErrorRule
    unsent_on: ErrorRule
    failure_on_result: ResultPredicate | None
    ignore_result: ResultPredicate | None


@dataclass(frozen=True, kw_only=True, slots=True)
class BreakerSettings:
    """How a breaker decides. Raises `ValueError` or `TypeError` if a setting makes no sense."""

    trip: TripPolicy = ConsecutiveFailures(5)
    """When to open."""
    recovery_timeout: float | Backoff = 30.0
    """Seconds from opening to the first probe."""
    max_probes: int = 1
    """How many calls may be under way at once while half-open; more are rejected."""
    successes_to_close: int = 1
    """How many probes must succeed to close; one that fails opens again."""
    probe_timeout: float = 120.0
    """Seconds after which a probe that has not reported counts as failed."""
    longest_retry_after: float = 300.0
    """Seconds; a service that asks to be left alone for longer is asked again by then."""
    failure_on: ErrorRule = Exception
    """Which exceptions are failures; all others are ignored."""
    ignore: ErrorRule = ()
    """Which of those are ignored all the same."""
    unsent_on: ErrorRule = ()
    """Which exceptions say that the call never left this process, such as httpx's
    `PoolTimeout`; they are ignored, and counted on their own."""
    failure_on_result: ResultPredicate | None = None
    """Says whether a result, or an item of a stream, is a failure though nothing was raised."""
    ignore_result: ResultPredicate | None = None
    """Says whether a result, or an item of a stream, proves nothing."""
    rules: Classifier = field(init=False, repr=False, compare=False)
    """All of these rules together."""

    def __post_init__(self) -> None:
        if not isinstance(self.trip, TripPolicy):
            raise TypeError(f"trip takes a trip policy, not {self.trip!r}")
        if not isinstance(self.recovery_timeout, Backoff):
            require_seconds("recovery_timeout", self.recovery_timeout)
        require_seconds("probe_timeout", self.probe_timeout)
        require_seconds("longest_retry_after", self.longest_retry_after)
        require_count("max_probes", self.max_probes)
        require_count("successes_to_close", self.successes_to_close)
        rules = Classifier(
            failure_on=self.failure_on,
            ignore=self.ignore,
            unsent_on=self.unsent_on,
            failure_on_result=self.failure_on_result,
            ignore_result=self.ignore_result,
        )
        object.__setattr__(self, "rules", rules)

    def open_seconds(self, opening: int, draw: float) -> float:
        """Say how long an opening lasts, as `Backoff.seconds()` does."""
        if isinstance(self.recovery_timeout, Backoff):
            return self.recovery_timeout.seconds(opening, draw)
        return self.recovery_timeout
