"""The settings of a breaker; all can be changed while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypedDict

from fuseboard.breaker.backoff import Backoff
from fuseboard.breaker.classification import Classifier, ErrorRule, ResultPredicate
from fuseboard.breaker.policies.base import TripPolicy
from fuseboard.breaker.policies.consecutive import ConsecutiveFailures
from fuseboard.breaker.validation import NumberKind, check_numbers, number


class SettingsKwargs(TypedDict, total=False):
    """The fields of `BreakerSettings`, as keyword arguments."""

    trip: TripPolicy
    recovery_timeout: float | Backoff
    max_probes: int
    successes_to_close: int
    probe_timeout: float
    longest_retry_after: float
    failure_on: ErrorRule
    success_on: ErrorRule
    ignore: ErrorRule
    unsent_on: ErrorRule
    unwrap: ErrorRule
    failure_on_result: ResultPredicate | None
    ignore_result: ResultPredicate | None


@dataclass(frozen=True, kw_only=True, slots=True)
class BreakerSettings:
    """When a breaker opens and closes, and which outcomes are failures.

    Raises:
        TypeError, ValueError: If a setting is invalid.
    """

    trip: TripPolicy = ConsecutiveFailures(5)
    """When to open."""
    recovery_timeout: float | Backoff = field(
        default=30.0,
        metadata=number(NumberKind.SECONDS, "from opening to the first probe", unless=(Backoff,)),
    )
    max_probes: int = field(
        default=1, metadata=number(NumberKind.COUNT, "probes at once while half-open")
    )
    """Further calls are rejected."""
    successes_to_close: int = field(
        default=1, metadata=number(NumberKind.COUNT, "good probes that close it")
    )
    """One that fails opens it again."""
    probe_timeout: float = field(
        default=120.0,
        metadata=number(NumberKind.SECONDS, "a probe silent for so long has failed"),
    )
    longest_retry_after: float = field(
        default=300.0,
        metadata=number(NumberKind.SECONDS, "a longer Retry-After is cut to this"),
    )
    failure_on: ErrorRule = Exception
    """Which exceptions are failures; all others are ignored."""
    success_on: ErrorRule = ()
    """Which exceptions prove that the service works, such as a 404.

    This rule goes before `ignore`, and `ignore` before `failure_on`."""
    ignore: ErrorRule = ()
    """Which of those are ignored nevertheless."""
    unsent_on: ErrorRule = ()
    """Which exceptions prove that the call never left this process, such as httpx's
    `PoolTimeout`; they are ignored, and counted separately."""
    unwrap: ErrorRule = ()
    """Which exceptions only wrap another one: they are judged by their `__cause__`."""
    failure_on_result: ResultPredicate | None = None
    """Whether a result, or an item of a stream, is a failure though nothing was raised."""
    ignore_result: ResultPredicate | None = None
    """Whether a result, or an item of a stream, proves nothing."""
    classifier: Classifier = field(init=False, repr=False, compare=False)
    """The seven rules above, combined."""

    def __post_init__(self) -> None:
        if not isinstance(self.trip, TripPolicy):
            raise TypeError(f"trip takes a trip policy, not {self.trip!r}")
        check_numbers(self)
        classifier = Classifier(
            failure_on=self.failure_on,
            success_on=self.success_on,
            ignore=self.ignore,
            unsent_on=self.unsent_on,
            unwrap=self.unwrap,
            failure_on_result=self.failure_on_result,
            ignore_result=self.ignore_result,
        )
        object.__setattr__(self, "classifier", classifier)

    def open_seconds(self, opening: int, draw: float) -> float:
        """Return the length of an opening in seconds, as `Backoff.seconds()` does."""
        if isinstance(self.recovery_timeout, Backoff):
            return self.recovery_timeout.seconds(opening, draw)
        return self.recovery_timeout
