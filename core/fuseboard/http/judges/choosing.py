"""Choosing which errors are failures."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import httpx

from fuseboard.http.judge import Judge
from fuseboard.http.judges.verdict_rules import VerdictRules

J = TypeVar("J", bound=Judge)


def judge_with(
    judge: Callable[[httpx.Request, VerdictRules], J],
    *,
    failures: Iterable[int | str] = (),
    ignored: Iterable[int | str] = (),
    successes: Iterable[int | str] = (),
) -> Callable[[httpx.Request], J]:
    """Return a judge that gives chosen statuses and error codes another verdict.

        BreakerTransport(breaker, judge=judge_with(llm_judge, failures={401, 402, 403}))

    A number is an HTTP status, or the same number as the code of an error in a
    body. A text is the code or type of an error in a body, such as
    `insufficient_quota`, or a `finish_reason`, such as `content_filter`, without
    regard to case, `_` and `-`; it decides before a number. What is not named
    keeps the verdict of `judge`.

    Args:
        judge: One of this package's: `http_judge`, `llm_judge`, …
        failures: Failures of the service.
        ignored: What says nothing about it.
        successes: What shows that it works.

    Raises:
        TypeError: If an argument is no collection of numbers and texts.
        ValueError: If a number is no error status, or something has two verdicts.
    """
    rules = VerdictRules.of(failures=failures, ignored=ignored, successes=successes)
    return lambda request: judge(request, rules)
