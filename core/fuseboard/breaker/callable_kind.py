"""The kinds of callables: those that do their work when called, and those that defer it."""

from __future__ import annotations

import inspect
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
