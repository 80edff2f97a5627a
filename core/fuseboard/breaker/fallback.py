"""What a guarded function answers instead of raising."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fuseboard.breaker.callable_kind import ENDS_LATER, CallableKind
from fuseboard.breaker.errors import CircuitOpenError
from fuseboard.breaker.outcome import Ruling, Verdict

if TYPE_CHECKING:
    from fuseboard.breaker.breaker import CircuitBreaker


@dataclass(frozen=True, slots=True)
class Fallback:
    """An answer for the calls that a breaker rejects and, if asked, for those that fail."""

    breaker: CircuitBreaker
    answer: Any
    """The answer; or a callable that makes it, given the arguments of the call."""
    on_failure: bool
    """Whether it also stands in for failures."""

    def covers(self, error: Exception) -> bool:
        """Say whether it answers instead of this error being raised."""
        if isinstance(error, CircuitOpenError) and error.breaker_name == self.breaker.name:
            return True
        return self.on_failure and _is_failure(self.breaker.settings.rules.on_error(error))

    def replaces(self, result: object) -> bool:
        """Say whether it answers instead of this result being returned."""
        return self.on_failure and _is_failure(self.breaker.settings.rules.on_result(result))

    def make(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Make the answer to a call with these arguments."""
        return self.answer(*args, **kwargs) if callable(self.answer) else self.answer

    async def make_async(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Make the answer, and await it if need be."""
        answer = self.make(args, kwargs)
        return await answer if inspect.isawaitable(answer) else answer


def with_fallback(
    guarded: Callable[..., Any], kind: CallableKind, fallback: Fallback
) -> Callable[..., Any]:
    """Put a fallback behind a guarded function of that kind."""
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
    def answering(*args: Any, **kwargs: Any) -> Any:
        try:
            result = guarded(*args, **kwargs)
        except Exception as error:
            if not fallback.covers(error):
                raise
            return fallback.make(args, kwargs)
        if (kind := ENDS_LATER.get(type(result))) is not None:  # the call has only begun
            return with_fallback(lambda *_, **__: result, kind, fallback)(*args, **kwargs)
        return fallback.make(args, kwargs) if fallback.replaces(result) else result

    return answering


def _await(guarded: Callable[..., Any], fallback: Fallback) -> Callable[..., Any]:
    async def answering(*args: Any, **kwargs: Any) -> Any:
        try:
            result = await guarded(*args, **kwargs)
        except Exception as error:
            if not fallback.covers(error):
                raise
            return await fallback.make_async(args, kwargs)
        return await fallback.make_async(args, kwargs) if fallback.replaces(result) else result

    return answering


def _iterate(guarded: Callable[..., Any], fallback: Fallback) -> Callable[..., Any]:
    def answering(*args: Any, **kwargs: Any) -> Iterator[Any]:
        begun = False
        try:
            with closing(guarded(*args, **kwargs)) as items:
                for item in items:
                    begun = True
                    yield item
        except Exception as error:
            if begun or not fallback.covers(error):  # half an answer is not replaced by another
                raise
            yield from fallback.make(args, kwargs)

    return answering


def _iterate_async(guarded: Callable[..., Any], fallback: Fallback) -> Callable[..., Any]:
    async def answering(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        begun = False
        try:
            async with aclosing(guarded(*args, **kwargs)) as items:
                async for item in items:
                    begun = True
                    yield item
        except Exception as error:
            if begun or not fallback.covers(error):  # half an answer is not replaced by another
                raise
            async for item in _each(fallback.make(args, kwargs)):
                yield item

    return answering


async def _each(items: Any) -> AsyncIterator[Any]:
    if hasattr(items, "__aiter__"):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item


def _is_failure(ruling: Ruling | None) -> bool:
    return ruling is not None and ruling.verdict is Verdict.FAILURE
