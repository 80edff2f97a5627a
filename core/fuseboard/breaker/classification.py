"""The classification of exceptions and results: what they prove about the service."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import Any, TypeAlias

from fuseboard.breaker.callable_kind import CallableKind, detect_callable_kind
from fuseboard.breaker.outcome import Ruling, Verdict
from fuseboard.breaker.retry_after import read_retry_after

ErrorPredicate: TypeAlias = Callable[[Exception], bool]
ErrorRule: TypeAlias = (
    type[Exception] | ErrorPredicate | Collection[type[Exception] | ErrorPredicate]
)
"""An exception type, a predicate on an exception, or several of either."""
ResultPredicate: TypeAlias = Callable[[Any], bool]

_FAILURE = Verdict.FAILURE  # looked up once: until Python 3.12 that costs as much as a lock
_MAX_CACHED_TYPES = 1000  # a program may create exception types as it runs

_logger = logging.getLogger(__name__)


class Classifier:
    """The rules that turn what a call raised or returned into a ruling.

    Predicates are user code: no lock is held while they run, and one that
    raises is logged and does not match.
    """

    __slots__ = (
        "_cached_rulings",
        "_failure",
        "_failure_result",
        "_ignore",
        "_ignore_result",
        "_success",
        "_types_only",
        "_unsent",
        "_unwrap",
        "judges_results",
    )

    def __init__(
        self,
        *,
        failure_on: ErrorRule,
        success_on: ErrorRule,
        ignore: ErrorRule,
        unsent_on: ErrorRule,
        unwrap: ErrorRule,
        failure_on_result: ResultPredicate | None,
        ignore_result: ResultPredicate | None,
    ) -> None:
        self._failure = _parts_of("failure_on", failure_on)
        self._success = _parts_of("success_on", success_on)
        self._ignore = _parts_of("ignore", ignore)
        self._unsent = _parts_of("unsent_on", unsent_on)
        self._unwrap = _parts_of("unwrap", unwrap)
        rules = (self._failure, self._success, self._ignore, self._unsent, self._unwrap)
        # Where types alone decide, the ruling on each type is cached.
        self._types_only = all(isinstance(part, type) for rule in rules for part in rule)
        self._cached_rulings: dict[type[BaseException], Ruling] = {}
        for what, predicate in (
            ("failure_on_result", failure_on_result),
            ("ignore_result", ignore_result),
        ):
            if predicate is not None:
                _check_predicate(what, predicate)
        self._failure_result = failure_on_result
        self._ignore_result = ignore_result
        self.judges_results = failure_on_result is not None or ignore_result is not None

    def on_error(self, error: BaseException) -> Ruling:
        """Return the ruling on what a call raised.

        Cancellation, `KeyboardInterrupt` and everything else that is not an
        `Exception` proves nothing about the service. A group is judged by its
        leaves: a failure among them makes it a failure, else a success makes
        it a success. The attribute `retry_after` of a failure, such as the
        rejection of another breaker has, becomes that of the ruling.
        """
        ruling = self._cached_rulings.get(type(error))
        if ruling is None:
            return self._rule_on(error)
        return _with_retry_after(ruling, error) if ruling.verdict is _FAILURE else ruling

    def _rule_on(self, error: BaseException) -> Ruling:
        rulings = [self._rule_on_one(leaf) for leaf in self._leaves(error)]
        if not rulings:  # it is its own cause
            return self._rule_on_one(error)
        if len(rulings) == 1:
            return rulings[0]
        for verdict in (Verdict.FAILURE, Verdict.SUCCESS):
            found = [ruling for ruling in rulings if ruling.verdict is verdict]
            if found:
                pauses = [ruling.retry_after for ruling in found if ruling.retry_after is not None]
                return replace(found[0], retry_after=max(pauses, default=None))
        return replace(rulings[0], sent=any(ruling.sent for ruling in rulings))

    def _leaves(self, error: BaseException) -> Iterator[BaseException]:
        """Yield what is to be judged: the members of groups, and the causes of what wraps them."""
        pending = [error]
        seen: set[int] = set()
        while pending:
            leaf = self._unwrapped(pending.pop())
            if id(leaf) in seen:
                continue
            seen.add(id(leaf))
            if isinstance(leaf, BaseExceptionGroup) and not self._names_group(leaf):
                pending.extend(reversed(leaf.exceptions))
            else:
                yield leaf

    def _unwrapped(self, error: BaseException) -> BaseException:
        """Return the error that the user wants judged instead of one that only wraps it."""
        seen = {id(error)}
        while isinstance(error, Exception) and _matches(error, self._unwrap):
            cause = error.__cause__
            if cause is None or id(cause) in seen:
                break
            seen.add(id(cause))
            error = cause
        return error

    def _names_group(self, group: BaseExceptionGroup[BaseException]) -> bool:
        """Return whether a rule names groups themselves."""
        rules = (self._failure, self._success, self._ignore, self._unsent)
        types = (part for rule in rules for part in rule if isinstance(part, type))
        return any(
            issubclass(part, BaseExceptionGroup) and isinstance(group, part) for part in types
        )

    def _rule_on_one(self, error: BaseException) -> Ruling:
        ruling = self._cached_rulings.get(type(error))
        if ruling is None:
            ruling = self._compare_to_rules(error)
            if (
                self._types_only
                and not _matches(error, self._unwrap)
                and not isinstance(error, BaseExceptionGroup)
                and len(self._cached_rulings) < _MAX_CACHED_TYPES
            ):
                self._cached_rulings[type(error)] = ruling
        return _with_retry_after(ruling, error) if ruling.verdict is _FAILURE else ruling

    def _compare_to_rules(self, error: BaseException) -> Ruling:
        reason = type(error).__name__
        if not isinstance(error, Exception):
            return Ruling(Verdict.IGNORED, reason)
        if _matches(error, self._unsent):
            return Ruling(Verdict.IGNORED, reason, sent=False)
        if _matches(error, self._success):
            return Ruling(Verdict.SUCCESS, reason)
        if _matches(error, self._ignore) or not _matches(error, self._failure):
            return Ruling(Verdict.IGNORED, reason)
        return Ruling(Verdict.FAILURE, reason)

    def on_result(self, result: object) -> Ruling | None:
        """Return the ruling on a result or an item of a stream; `None` if it is good."""
        if self._ignore_result is not None and _holds(self._ignore_result, result):
            return Ruling(Verdict.IGNORED, "ignored result")
        if self._failure_result is not None and _holds(self._failure_result, result):
            return Ruling(Verdict.FAILURE, "bad result")
        return None


def _with_retry_after(ruling: Ruling, error: BaseException) -> Ruling:
    try:  # it may be a property, and so user code
        retry_after = getattr(error, "retry_after", None)
        if retry_after is not None:
            return replace(ruling, retry_after=read_retry_after(retry_after))
    except Exception:
        _logger.exception("the retry_after of %r cannot be read", type(error))
    return ruling


def _parts_of(what: str, rule: ErrorRule) -> tuple[type[Exception] | ErrorPredicate, ...]:
    parts = tuple(rule) if isinstance(rule, tuple | list | set | frozenset) else (rule,)
    for part in parts:
        if isinstance(part, type):
            if not issubclass(part, BaseException):
                raise TypeError(f"{what} takes exception types, not {part.__name__}")
            if not issubclass(part, Exception | BaseExceptionGroup):
                raise TypeError(f"{what} takes no {part.__name__}: it says nothing of a service")
        elif not callable(part):
            raise TypeError(f"{what} takes exception types and predicates, not {part!r}")
        else:
            _check_predicate(what, part)
    return parts


def _check_predicate(what: str, predicate: object) -> None:
    if not callable(predicate):
        raise TypeError(f"{what} takes a predicate, not {predicate!r}")
    if (
        detect_callable_kind(predicate) is not CallableKind.PLAIN
    ):  # what it returns would always be true
        raise TypeError(f"{what} takes a predicate that answers at once, not {predicate!r}")


def _matches(error: BaseException, parts: tuple[type[Exception] | ErrorPredicate, ...]) -> bool:
    for part in parts:
        if isinstance(error, part) if isinstance(part, type) else _holds(part, error):
            return True
    return False


def _holds(predicate: Callable[[Any], bool], subject: object) -> bool:
    try:
        return bool(predicate(subject))
    except Exception:
        _logger.exception("a breaker's predicate %r failed", predicate)
        return False
