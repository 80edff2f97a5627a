"""Which statuses and error codes are failures of the server, and which the caller's own fault."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from typing import TypeVar

from fuseboard.breaker.outcome import Verdict
from fuseboard.http.judge import Judge, Request
from fuseboard.http.judges.reported_error import NO_ERROR, ReportedError, normalize_code

# The server did not serve the request, and asks to come again: whatever else it says.
_COME_AGAIN = frozenset({408, 425, 429, 503, 504, 529})

# Not the service speaking: its client's proxy (407), or a log's word for a client that left (499).
_SAYS_NOTHING = frozenset({407, 499})

# Codes as `normalize_code()` writes them.
_CALLERS_FAULTS = frozenset(
    {
        "accountdeactivated", "arrearage", "authenticationerror", "badrequest",
        "badrequesterror", "billingerror", "conflicterror", "contentfilter",
        "contentfiltererror", "contentpolicyviolation", "contextlengthexceeded",
        "contextlengthexceedederror", "datainspectionfailed", "exceedcontextsizeerror",
        "failedprecondition", "forbidden", "inputvalidationerror", "insufficientbalance",
        "insufficientbalanceerror", "insufficientcredits", "invalidapikey",
        "invalidapikeyerror", "invalidargument", "invalidparameter", "invalidparametererror",
        "invalidrequest", "invalidrequesterror", "invalidvalue", "jsonvalidatefailed",
        "methodnotallowed", "missingrequiredparameter", "modelnotexist", "modelnotfound",
        "modelnotfounderror", "notfound", "notfounderror", "notsupportederror", "outofrange",
        "paymentrequired", "permissiondenied", "permissiondeniederror", "permissionerror",
        "requesttoolarge", "responsibleaipolicyviolation", "stringabovemaxlength",
        "templateerror", "toolerror", "toolusefailed", "unauthenticated", "unauthorized",
        "unprocessableentity", "unprocessableentityerror", "unsupportedmodel",
        "unsupportedparameter", "unsupportedvalue", "validation", "validationerror",
    }
)  # fmt: skip
_COME_AGAIN_CODES = frozenset(
    {
        "engineoverloaded", "engineoverloadederror", "overloaded", "overloadederror",
        "ratelimit", "ratelimited", "ratelimiterror", "ratelimitexceeded", "ratelimitreached",
        "resourceexhausted", "serverisoverloaded", "serveroverloaded", "serviceoverloaded",
        "throttling", "throttlingerror", "throttlingexception", "toomanyrequests",
    }
)  # fmt: skip
_SERVERS_FAULTS = frozenset(
    {
        "insufficientquota", "internal", "internalerror", "internalservererror",
        "quotaexceeded", "servererror", "serviceunavailable", "serviceunavailableerror",
        "timeout", "timeouterror", "unavailable", "unavailableerror",
    }
)  # fmt: skip


def _checked(name: str, codes: object) -> frozenset[int | str]:
    if isinstance(codes, str | bytes) or not isinstance(codes, Collection):
        raise TypeError(f"{name} is a collection of statuses and codes, not {codes!r}")
    return frozenset(_checked_code(name, code) for code in codes)


def _checked_code(name: str, code: object) -> int | str:
    if isinstance(code, int) and not isinstance(code, bool):
        if not 400 <= code <= 599:
            raise ValueError(
                f"{name}: {code} is no error status (400 to 599); "
                f"give the code of an error in a body as text: {str(code)!r}"
            )
        return int(code)
    if not isinstance(code, str):
        raise TypeError(f"{name} has statuses (int) and codes (str), not {code!r}")
    text = normalize_code(code)
    if not text:
        raise ValueError(f"{name}: {code!r} is no code of an error")
    if re.fullmatch("[45][0-9][0-9]", text):
        raise ValueError(f"{name}: give the status {code} as a number")
    return text


@dataclass(frozen=True, slots=True)
class VerdictRules:
    """The user's own rules for statuses and error codes, which come before the judges'.

    A number is an HTTP status, or the same number as a code in a body; a text is a
    code or type in a body (`insufficient_quota`), or a `finish_reason`, without
    regard to case, `_` and `-`. A text decides before a number, and a number in the
    body before the status.

    Raises:
        TypeError: If a field is no collection of numbers and texts.
        ValueError: If a number is no error status, or something has two verdicts.
    """

    failures: Collection[int | str] = frozenset()
    ignored: Collection[int | str] = frozenset()
    successes: Collection[int | str] = frozenset()

    def __post_init__(self) -> None:
        seen: set[int | str] = set()
        for field in fields(self):
            codes = _checked(field.name, getattr(self, field.name))
            if twice := codes & seen:
                raise ValueError(f"{min(twice, key=str)!r} cannot have two verdicts")
            seen |= codes
            object.__setattr__(self, field.name, codes)

    def http_verdict(self, status: int, error: ReportedError = NO_ERROR) -> Verdict:
        """Return the verdict of plain HTTP on an error status.

        A status that is the caller's own fault is a success: a service that says so lives.
        """
        if chosen := self.chosen(status, error):
            return chosen
        if status in _COME_AGAIN or status >= 500:
            return Verdict.FAILURE
        return Verdict.IGNORED if status in _SAYS_NOTHING else Verdict.SUCCESS

    def model_verdict(self, status: int, error: ReportedError = NO_ERROR) -> Verdict:
        """Return the verdict on an error that the API of a model reported under a status, 200 also.

        The caller's own fault is ignored, since it says nothing about the model; so it
        is where it is told inside a 200 or under a 500. Being asked to come again later
        is a failure however it is told.
        """
        if chosen := self.chosen(status, error):
            return chosen
        if not _COME_AGAIN.isdisjoint((status, *error.statuses)):
            return Verdict.FAILURE
        # Groq says `rate_limit_exceeded` of a request that no limit would ever let through (413).
        if status != 413 and not _COME_AGAIN_CODES.isdisjoint(error.codes):
            return Verdict.FAILURE
        if not _CALLERS_FAULTS.isdisjoint(error.codes):
            return Verdict.IGNORED
        if any(code >= 500 for code in error.statuses):
            return Verdict.FAILURE
        if 300 <= status < 500:
            return Verdict.IGNORED
        if not _SERVERS_FAULTS.isdisjoint(error.codes):
            return Verdict.FAILURE
        return Verdict.IGNORED if error.statuses else Verdict.FAILURE

    def on_finish(self, reason: str) -> Verdict | None:
        """Return the verdict of the user's rule for a `finish_reason`; `None` if there is none."""
        return self.chosen(200, ReportedError(codes=(normalize_code(reason),)))

    def chosen(self, status: int, error: ReportedError) -> Verdict | None:
        """Return the verdict of the user's rule for an error; `None` if there is none."""
        for code in (*error.codes, *error.statuses, status):
            if code in self.failures:
                return Verdict.FAILURE
            if code in self.ignored:
                return Verdict.IGNORED
            if code in self.successes:
                return Verdict.SUCCESS
        return None


NO_RULES = VerdictRules()
"""No rules of the user's: the judges decide."""

J = TypeVar("J", bound=Judge)


def judge_with(
    judge: Callable[[Request, VerdictRules], J],
    *,
    failures: Collection[int | str] = (),
    ignored: Collection[int | str] = (),
    successes: Collection[int | str] = (),
) -> Callable[[Request], J]:
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
    rules = VerdictRules(failures, ignored, successes)
    return lambda request: judge(request, rules)
