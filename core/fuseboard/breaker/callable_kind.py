"""The kinds of callables and results: work that is done when called, and work that is deferred."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from enum import Enum
from functools import partial
from inspect import iscoroutinefunction
from types import (
    AsyncGeneratorType,
    BuiltinFunctionType,
    CodeType,
    CoroutineType,
    GeneratorType,
)

DEFERRED_FLAGS = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
"""The code flags of functions whose body runs only after they have returned."""

_PLAIN_TYPES = (BuiltinFunctionType, type)


class CallableKind(Enum):
    """What a callable returns: a result, or an object that produces it later."""

    PLAIN = "function"
    COROUTINE = "coroutine function"
    GENERATOR = "generator function"
    ASYNC_GENERATOR = "asynchronous generator function"


DEFERRED_TYPES = {
    CoroutineType: CallableKind.COROUTINE,
    GeneratorType: CallableKind.GENERATOR,
    AsyncGeneratorType: CallableKind.ASYNC_GENERATOR,
}
"""The types such functions return, and the kind of function that returns them."""


class ResultKind(Enum):
    """What a plain function returned."""

    INSTANT = "result"
    DEFERRED = "coroutine or generator"
    """It does nothing before it is awaited or iterated."""
    FUTURE = "future"
    """It goes on already, and reports when it is done."""


INSTANT_TYPES: set[type] = {type(None), bool, int, float, str, bytes, list, tuple, dict, set}
"""Types of results that are no deferred work: those that are known so far."""
_MOST_INSTANT_TYPES = 1000  # a program may create types as it runs

_FUTURE_METHODS = ("add_done_callback", "cancelled", "exception", "result")

_logger = logging.getLogger(__name__)


def result_kind(result: object) -> ResultKind:
    """Return what a plain function returned; a type that is instant is remembered as such."""
    kind = type(result)
    if kind in INSTANT_TYPES:
        return ResultKind.INSTANT
    if kind in DEFERRED_TYPES:
        return ResultKind.DEFERRED
    if all(callable(getattr(kind, method, None)) for method in _FUTURE_METHODS):
        return ResultKind.FUTURE
    if len(INSTANT_TYPES) < _MOST_INSTANT_TYPES:
        INSTANT_TYPES.add(kind)
        if hasattr(kind, "__await__"):
            _logger.warning(
                "a guarded function returned a %s, which is awaited later; its call counts as a "
                "success now: guard a coroutine function that awaits it instead",
                kind.__qualname__,
            )
    return ResultKind.INSTANT


_KIND_OF_FLAG = (
    (inspect.CO_COROUTINE, CallableKind.COROUTINE),
    (inspect.CO_GENERATOR, CallableKind.GENERATOR),
    (inspect.CO_ASYNC_GENERATOR, CallableKind.ASYNC_GENERATOR),
)


def detect_callable_kind(function: Callable[..., object]) -> CallableKind:
    """Return the kind of a callable: a function, method, partial or object with `__call__`."""
    while isinstance(function, partial):
        function = function.func
    code = getattr(function, "__code__", None)
    if code is None:
        if isinstance(function, _PLAIN_TYPES):
            return CallableKind.PLAIN
        code = getattr(getattr(function, "__call__", None), "__code__", None)  # noqa: B004
    # A remote proxy may have any attribute.
    flags = code.co_flags if isinstance(code, CodeType) else 0
    for flag, kind in _KIND_OF_FLAG:
        if flags & flag:
            return kind
    # `inspect.markcoroutinefunction` marks functions that only return a coroutine.
    return CallableKind.COROUTINE if iscoroutinefunction(function) else CallableKind.PLAIN
