"""Guards: callables of each kind, wrapped so that every call goes through a breaker.

The guard of a function or coroutine settles its call when it ends. The guard
of a generator is admitted when the first item is requested, and settles its
call when the stream ends, however it ends. What a plain function returns to be
awaited or iterated later is guarded in its stead.
"""
# ruff: noqa: SLF001 (guards call the breaker's core directly: a method between costs time)

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Mapping
from threading import get_ident
from types import AsyncGeneratorType, GeneratorType, TracebackType
from typing import Any, ParamSpec, TypeVar, cast

from fuseboard.breaker.active_calls import (
    ActiveCall,
    OuterCall,
    innermost,
    mark,
    unmarked_call,
)
from fuseboard.breaker.admission import Admission
from fuseboard.breaker.callable_kind import INSTANT_TYPES, CallableKind, ResultKind, result_kind
from fuseboard.breaker.core import BreakerCore
from fuseboard.breaker.counters import MOST_PENDING
from fuseboard.breaker.outcome import GOOD, Ruling, Verdict
from fuseboard.breaker.permit import Permit

P = ParamSpec("P")
R = TypeVar("R")
Item = TypeVar("Item")
Sent = TypeVar("Sent")
Returned = TypeVar("Returned")

JudgeItem = Callable[[object], Ruling | None]


def guard_callable(
    core: BreakerCore, function: Callable[P, R], kind: CallableKind
) -> Callable[P, R]:
    """Guard a callable of that kind."""
    guard = _GUARDS[kind]
    return cast("Callable[P, R]", guard(core, function))


# Functions


def guard_function(core: BreakerCore, function: Callable[P, R]) -> Callable[P, R]:
    """Guard a plain function.

    This is the path of most calls: while the breaker is closed it takes no
    lock and makes no Python call that can be avoided. An interrupt, such as
    `KeyboardInterrupt`, comes after a call only, never between two plain
    statements; wherever it comes, the thread does not stay active.
    """
    machine, clock, threads = core._machine, core._clock, core._threads
    successes, count_success = core._pending_successes, core._count_success
    waiting = core._events.waiting
    plain: Callable[..., R] = function  # without keyword arguments a call costs less

    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        generation = machine.generation
        try:
            thread = threads[get_ident()]
        except KeyError:
            thread = core._thread()
        if (
            not generation.admits_freely
            or thread.active
            or (core.marks_contexts and innermost.get() and core._outer_call())
        ):
            if (
                (now := clock()) < generation.rejects_until
                and not thread.active
                and not (core.marks_contexts and core._outer_call())
            ):
                # The same as _raise_rejection(), without a call.
                rejection = machine.reject(generation, now)
                if waiting:
                    core._follow_up()
                try:
                    raise rejection
                finally:
                    del rejection  # or its traceback would keep it, and every frame above
            return _call_otherwise(core, function, args, kwargs)
        started = None
        try:
            thread.active = True
            started = clock()
            result = function(*args, **kwargs) if kwargs else plain(*args)
            seconds = clock() - started
        except BaseException as error:
            thread.active = False
            thread.inner = None
            if started is not None:
                core._record_error(error, generation, started)
            raise
        thread.active = False
        if thread.inner is None and type(result) in INSTANT_TYPES:
            if generation.counts_freely:
                count_success(seconds)
                if len(successes) > MOST_PENDING:
                    core._fold()
            else:
                core._record_result(result, generation, started)
            return result
        inner, thread.inner = thread.inner, None
        if result_kind(result) is not ResultKind.INSTANT:
            return _guard_later(Permit.of_running_call(core, generation, started), result)
        if inner is None:
            core._record_result(result, generation, started)
        else:
            core._record_outer(inner, generation, started)
        return result

    return guarded


def _call_otherwise(
    core: BreakerCore, function: Callable[..., R], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> R:
    """Call a plain function inside another call, or where the breaker needs its lock."""
    outer = core._outer_call()
    if outer is not None:
        return _call_inside(core, outer, function, args, kwargs)
    permit = Permit(core)
    thread = core._thread()
    try:
        thread.active = True
        result = function(*args, **kwargs)
    except BaseException as error:
        thread.active = False
        thread.inner = None
        permit._end(error)
        raise
    thread.active = False
    inner, thread.inner = thread.inner, None
    if result_kind(result) is not ResultKind.INSTANT:
        return _guard_later(permit, result)
    _end_with_result(permit, result, inner)
    return result


def _call_inside(
    core: BreakerCore,
    outer: OuterCall,
    function: Callable[..., R],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> R:
    """Call a plain function inside a call of the same breaker."""
    try:
        result = function(*args, **kwargs)
    except BaseException as error:
        _note_inside(outer, core.settings.classifier.on_error(error))
        raise
    if result_kind(result) is ResultKind.INSTANT:  # else it is inside, too, or another call
        _note_inside(outer, core.settings.classifier.on_result(result) or GOOD)
    return result


def _note_inside(outer: OuterCall, ruling: Ruling) -> None:
    inner = Admission()
    inner.ruling = ruling
    outer.inner = inner


def _end_with_result(permit: Permit, result: object, inner: Admission | None) -> None:
    """Settle the call of a function that returned."""
    ruling = permit._core.settings.classifier.on_result(result)
    if ruling is not None:
        permit.settle(ruling)
    else:
        permit._end(None, inner)


# Coroutines


def guard_coroutine(
    core: BreakerCore, function: Callable[P, Coroutine[Any, Any, R]]
) -> Callable[P, Coroutine[Any, Any, R]]:
    """Guard a coroutine function, as `guard_function()` guards a plain one."""
    machine, clock, threads = core._machine, core._clock, core._threads
    successes = machine.counters.pending_awaits
    count_success = successes.append
    set_innermost = innermost.set
    begin, end = core._awaits_begun.count, core._awaits_ended.count
    plain: Callable[..., Coroutine[Any, Any, R]] = function
    core.marks_contexts = True

    async def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        generation = machine.generation
        outer = innermost.get()
        while outer is not None and outer.core is None:  # it has ended
            outer = outer.outer
        if not generation.admits_freely or (
            (outer is not None or threads) and core._outer_call() is not None
        ):
            return await _await_otherwise(core, function, args, kwargs)
        # The same as mark(), without a call.
        call = ActiveCall()
        call.core = core
        call.inner = None
        call.outer = outer
        started = None
        try:
            begin()
            set_innermost(call)
            started = clock()
            result = await (function(*args, **kwargs) if kwargs else plain(*args))
            seconds = clock() - started
        except BaseException as error:
            end()
            call.core = None
            if started is not None:
                core._record_error(error, generation, started)
            raise
        call.core = None
        if call.inner is None and generation.counts_freely:
            count_success(seconds)
            if len(successes) > MOST_PENDING:
                core._fold()
            return result
        end()
        if call.inner is not None:
            core._record_outer(call.inner, generation, started)
        else:
            core._record_result(result, generation, started)
        return result

    return guarded


async def _await_otherwise(
    core: BreakerCore,
    function: Callable[..., Coroutine[Any, Any, R]],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> R:
    """Await a coroutine function inside another call, or where the breaker needs its lock."""
    with Permit(core) as permit:
        result = await function(*args, **kwargs)
        if (ruling := core.settings.classifier.on_result(result)) is not None:
            permit.settle(ruling)
    return result


# Generators


def guard_generator(
    core: BreakerCore, function: Callable[P, Generator[Item, Sent, Returned]]
) -> Callable[P, Generator[Item, Sent, Returned]]:
    """Guard a generator function."""

    def guarded(*args: P.args, **kwargs: P.kwargs) -> Generator[Item, Sent, Returned]:
        stream = _GuardedStream(core)
        permit = stream.permit
        try:
            permit.will_be_closed = _always
            items = _GuardedItems(function(*args, **kwargs), stream)
            returned = yield from items
        except BaseException as error:
            permit.will_be_closed = _never
            stream.raised(error)
            raise
        permit.will_be_closed = _never
        stream.ended()
        return returned

    return guarded


def guard_async_generator(
    core: BreakerCore, function: Callable[P, AsyncGenerator[Item, Sent | None]]
) -> Callable[P, AsyncGenerator[Item, Sent | None]]:
    """Guard an asynchronous generator function."""

    async def guarded(*args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[Item, Sent | None]:
        stream = _GuardedStream(core)
        call, permit = stream.call, stream.permit
        core.marks_contexts = True
        try:
            permit.will_be_closed = _loop_closes_generators()
            items = function(*args, **kwargs)
            try:
                # What `yield from` does for a generator has to be written out for this kind.
                coming = items.asend(None)
                while True:
                    try:
                        stream.mark_context()
                        item = await coming
                    except StopAsyncIteration:
                        break
                    finally:
                        call.core = None
                    stream.item_came(item)
                    try:
                        sent = yield item
                    except GeneratorExit:
                        raise
                    except BaseException as thrown:  # noqa: BLE001 (it goes where it was meant to go)
                        stream.thrown = thrown
                        coming = items.athrow(thrown)
                    else:
                        coming = items.asend(sent)
            finally:
                try:
                    stream.mark_context()
                    await items.aclose()
                finally:
                    call.core = None
        except BaseException as error:
            permit.will_be_closed = _never
            stream.raised(error)
            raise
        permit.will_be_closed = _never
        stream.ended()

    return guarded


class _StreamPermit(Permit):
    """The permit of a generator, which settles it even when it is collected as garbage.

    Where both are part of a circle, the garbage collection may come to the permit first.
    """

    __slots__ = ("will_be_closed",)

    def __init__(self, core: BreakerCore) -> None:
        self.will_be_closed: Callable[[], bool] = _never
        """Whether the generator is sure to be closed yet, even if it is abandoned now."""
        super().__init__(core)

    def __del__(self) -> None:
        if not self.will_be_closed():
            super().__del__()


def _never() -> bool:
    return False


def _always() -> bool:
    return True


def _loop_closes_generators() -> Callable[[], bool]:
    """Return a function that tells whether an abandoned generator of this loop will be closed."""
    close = sys.get_asyncgen_hooks().finalizer
    if close is None:
        return _never
    is_closed = getattr(getattr(close, "__self__", None), "is_closed", None)
    return _always if is_closed is None else lambda: not is_closed()


class _GuardedStream:
    """The call of a stream: admitted now, to be settled when the stream ends."""

    __slots__ = ("_judge_item", "call", "core", "inner", "permit", "thrown")

    def __init__(self, core: BreakerCore) -> None:
        classifier = core.settings.classifier
        self.core = core
        self._judge_item = classifier.on_result if classifier.judges_results else None
        self.inner: Admission | None = None
        """The latest call of the same breaker inside this one."""
        self.thrown: BaseException | None = None
        """What the consumer last threw into the stream."""
        self.call = unmarked_call()
        """Marks the context while an asynchronous generator computes an item."""
        self.permit = _StreamPermit(core)

    def mark_context(self) -> None:
        """Mark the context, unless the call of which this one is a part does."""
        if self.permit.generation is not None:
            mark(self.call, self.core)

    def item_came(self, item: object) -> None:
        """Report an item, which may decide the verdict."""
        self.permit.first_item()
        if self._judge_item is not None and (ruling := self._judge_item(item)) is not None:
            self.permit.settle(ruling)

    def ended(self) -> None:
        """Settle the call of a stream that ended regularly."""
        self.permit._end(None, self.inner or self.call.inner)

    def raised(self, error: BaseException) -> None:
        """Settle the call of a stream that raised, or was closed."""
        if self.thrown is not None and error in (self.thrown, _stopped_by(self.thrown, error)):
            # It comes from the consumer and has gone through: the service had no part in it.
            self.permit.settle(Ruling(Verdict.IGNORED, type(self.thrown).__name__))
        else:
            self.permit._end(error)


def _stopped_by(thrown: BaseException, error: BaseException) -> BaseException | None:
    """Return the error if a generator turned a stop that was thrown into it into this (PEP 479)."""
    stopped = isinstance(thrown, StopIteration | StopAsyncIteration)
    return error if stopped and error.__cause__ is thrown else None


class _GuardedItems(Generator[Item, Sent, Returned]):
    """A generator that reports each of its items to a stream's call."""

    __slots__ = ("_items", "_stream")

    def __init__(self, items: Generator[Item, Sent, Returned], stream: _GuardedStream) -> None:
        self._items = items
        self._stream = stream

    def send(self, value: Sent) -> Item:
        return self._step(self._items.send, value)

    def throw(  # type: ignore[override] # of three forms, `yield from` uses this one
        self,
        kind: type[BaseException] | BaseException,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,  # noqa: ARG002 (the error has it)
    ) -> Item:
        thrown = error or kind
        self._stream.thrown = thrown if isinstance(thrown, BaseException) else thrown()
        return self._step(self._items.throw, self._stream.thrown)

    def close(self) -> None:
        self._items.close()

    def __next__(self) -> Item:
        return self._step(next, self._items)

    def _step(self, step: Callable[..., Item], argument: object) -> Item:
        """Compute an item; what this thread calls meanwhile is inside the stream's call."""
        stream = self._stream
        thread = stream.core._thread()
        active, inner = thread.active, thread.inner
        try:
            thread.active = True
            item = step(argument)
        finally:
            thread.active = active
            if not active:  # else the calls inside belong to the outer call
                stream.inner = thread.inner or stream.inner
                thread.inner = inner
        stream.item_came(item)
        return item


# What a plain function returns to be awaited or iterated later


def _guard_later(permit: Permit, result: R) -> R:
    """Guard what a plain function returned instead of a result.

    A future goes on already, and its call with it. The call of a coroutine or
    generator begins when that first runs, and is admitted then.
    """
    core, later = permit._core, cast("Any", result)
    if result_kind(result) is ResultKind.FUTURE:
        _settle_when_done(permit, later)
        return result
    core._cancel(permit)
    if isinstance(later, GeneratorType):
        return cast("R", guard_generator(core, lambda: later)())
    if isinstance(later, AsyncGeneratorType):
        return cast("R", guard_async_generator(core, lambda: later)())
    return cast("R", _await_later(core, later))


async def _await_later(core: BreakerCore, call: Coroutine[Any, Any, R]) -> R:
    try:
        return await guard_coroutine(core, lambda: call)()
    finally:
        call.close()  # it was never awaited if it was rejected


def _settle_when_done(permit: Permit, future: Any) -> None:
    def done(future: Any) -> None:
        if future.cancelled():
            permit.ignore()
        elif (error := future.exception()) is not None:
            permit._end(error)
        else:
            _end_with_result(permit, future.result(), None)

    future.add_done_callback(done)


_GUARDS: Mapping[CallableKind, Callable[[BreakerCore, Any], Any]] = {
    CallableKind.PLAIN: guard_function,
    CallableKind.COROUTINE: guard_coroutine,
    CallableKind.GENERATOR: guard_generator,
    CallableKind.ASYNC_GENERATOR: guard_async_generator,
}
"""What a guarded function returns instead of raising."""
