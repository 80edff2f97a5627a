"""What calling something gives: a result, or what ends only later."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from enum import Enum
from functools import partial
from inspect import iscoroutinefunction
from types import AsyncGeneratorType, BuiltinFunctionType, CoroutineType, GeneratorType

ENDS_LATER_FLAGS = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
"""The flags of the code of functions whose call ends after it returned."""

ENDS_LATER = frozenset({CoroutineType, GeneratorType, AsyncGeneratorType})
"""The types of what such functions return."""


_PLAIN_TYPES = (BuiltinFunctionType, type)


class CallableKind(Enum):
    """What a callable is."""

    PLAIN = "function"
    COROUTINE = "coroutine function"
    GENERATOR = "generator function"
    ASYNC_GENERATOR = "asynchronous generator function"


_KIND_OF_FLAG = (
    (inspect.CO_COROUTINE, CallableKind.COROUTINE),
    (inspect.CO_GENERATOR, CallableKind.GENERATOR),
    (inspect.CO_ASYNC_GENERATOR, CallableKind.ASYNC_GENERATOR),
)


def kind_of(function: Callable[..., object]) -> CallableKind:
    """Tell a callable's kind, also behind a method, a partial or an object's `__call__`."""
    while isinstance(function, partial):
        function = function.func
    code = getattr(function, "__code__", None)
    if code is None:
        if isinstance(function, _PLAIN_TYPES):
            return CallableKind.PLAIN
        code = getattr(getattr(function, "__call__", None), "__code__", None)  # noqa: B004
    flags = code.co_flags if code is not None else 0
    for flag, kind in _KIND_OF_FLAG:
        if flags & flag:
            return kind
    # There are marks for functions that only return a coroutine.
    return CallableKind.COROUTINE if iscoroutinefunction(function) else CallableKind.PLAIN
