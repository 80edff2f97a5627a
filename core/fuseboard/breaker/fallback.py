"""What a guarded function returns instead of raising."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, closing
from dataclasses import dataclass
from typing import Any

from fuseboard.breaker.callable_kind import DEFERRED_TYPES, CallableKind
from fuseboard.breaker.core import BreakerCore
from fuseboard.breaker.errors import CircuitOpenError
from fuseboard.breaker.outcome import Ruling, Verdict


@dataclass(frozen=True, slots=True)
class Fallback:
    """A substitute for the results of rejected calls and, if enabled, of failed ones."""

    core: BreakerCore
    substitute: Any
    """A value, or a callable that gets the arguments of the call and returns the value."""
    on_failure: bool
    """Whether it replaces failures, too."""

    def covers(self, error: Exception) -> bool:
        """Return whether the substitute replaces this error."""
        if isinstance(error, CircuitOpenError) and error.is_from(self.core):
            return True
        return self.on_failure and _is_failure(self.core.settings.classifier.on_error(error))

    def replaces(self, result: object) -> bool:
        """Return whether the substitute replaces this result."""
        return self.on_failure and _is_failure(self.core.settings.classifier.on_result(result))

    def make(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Return the substitute for a call with these arguments."""
        return self.substitute(*args, **kwargs) if callable(self.substitute) else self.substitute

    async def make_async(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Return the substitute, awaited if it is awaitable."""
        substitute = self.make(args, kwargs)
        return await substitute if inspect.isawaitable(substitute) else substitute


def with_fallback(
    guarded: Callable[..., Any], kind: CallableKind, fallback: Fallback
) -> Callable[..., Any]:
    """Wrap a guarded callable of that kind so that it falls back."""
    match kind:
        case CallableKind.PLAIN:
            return _call(guarded, fallback)
        case CallableKind.COROUTINE:
            return _await(guarded, fallback)
        case CallableKind.GENERATOR:
            return _iterate(guarded, fallback)
        case CallableKind.ASYNC_GENERATOR:
            return _iterate_async(guarded, fallback)


def _call(guarded: Callable[..., Any], fallback: Fallback) -> Callable[..., Any]:
    def falling_back(*args: Any, **kwargs: Any) -> Any:
        try:
            result = guarded(*args, **kwargs)
        except Exception as error:
            if not fallback.covers(error):
                raise
            return fallback.make(args, kwargs)
        if (kind := DEFERRED_TYPES.get(type(result))) is not None:  # the call has not run yet
            return with_fallback(lambda *_, **__: result, kind, fallback)(*args, **kwargs)
        return fallback.make(args, kwargs) if fallback.replaces(result) else result

    return falling_back


def _await(guarded: Callable[..., Any], fallback: Fallback) -> Callable[..., Any]:
    async def falling_back(*args: Any, **kwargs: Any) -> Any:
        try:
            result = await guarded(*args, **kwargs)
        except Exception as error:
            if not fallback.covers(error):
                raise
            return await fallback.make_async(args, kwargs)
        return await fallback.make_async(args, kwargs) if fallback.replaces(result) else result

    return falling_back


def _iterate(guarded: Callable[..., Any], fallback: Fallback) -> Callable[..., Any]:
    def falling_back(*args: Any, **kwargs: Any) -> Iterator[Any]:
        begun = False
        try:
            with closing(guarded(*args, **kwargs)) as items:
                for item in items:
                    begun = True
                    yield item
        except Exception as error:
            if begun or not fallback.covers(error):  # a stream cannot be replaced half-way
                raise
            yield from fallback.make(args, kwargs)

    return falling_back


def _iterate_async(guarded: Callable[..., Any], fallback: Fallback) -> Callable[..., Any]:
    async def falling_back(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        begun = False
        try:
            async with aclosing(guarded(*args, **kwargs)) as items:
                async for item in items:
                    begun = True
                    yield item
        except Exception as error:
            if begun or not fallback.covers(error):  # a stream cannot be replaced half-way
                raise
            async for item in _each(fallback.make(args, kwargs)):
                yield item

    return falling_back


async def _each(items: Any) -> AsyncIterator[Any]:
    if hasattr(items, "__aiter__"):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item


def _is_failure(ruling: Ruling | None) -> bool:
    return ruling is not None and ruling.verdict is Verdict.FAILURE
