"""What calling something gives: a result, or what ends only later."""

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

ENDS_LATER_FLAGS = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
"""The flags of the code of functions whose call ends after it returned."""

_PLAIN_TYPES = (BuiltinFunctionType, type)


class CallableKind(Enum):
    """What a callable is."""

    PLAIN = "function"
    COROUTINE = "coroutine function"
    GENERATOR = "generator function"
    ASYNC_GENERATOR = "asynchronous generator function"


ENDS_LATER = {
    CoroutineType: CallableKind.COROUTINE,
    GeneratorType: CallableKind.GENERATOR,
    AsyncGeneratorType: CallableKind.ASYNC_GENERATOR,
}
"""The types of what such functions return, and the kind of function that returns them."""

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
    # A proxy may answer to any name.
    flags = code.co_flags if isinstance(code, CodeType) else 0
    for flag, kind in _KIND_OF_FLAG:
        if flags & flag:
            return kind
    # There are marks for functions that only return a coroutine.
    return CallableKind.COROUTINE if iscoroutinefunction(function) else CallableKind.PLAIN
