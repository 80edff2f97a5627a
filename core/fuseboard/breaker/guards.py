"""Guards: callables of each kind, wrapped so that every call goes through a breaker.

The guard of a function or coroutine settles its call when it ends. The guard
of a generator is admitted when the first item is requested, and settles its
call when the stream ends, however it ends.
"""
# ruff: noqa: SLF001 (guards call the breaker's core directly: a method between costs time)

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Mapping
from contextlib import aclosing
from types import AsyncGeneratorType, GeneratorType, TracebackType
from typing import Any, ParamSpec, TypeVar, cast

from fuseboard.breaker.callable_kind import DEFERRED_TYPES, CallableKind
from fuseboard.breaker.core import BreakerCore
from fuseboard.breaker.counters import FOLD_MASK
from fuseboard.breaker.outcome import Ruling
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


def guard_function(core: BreakerCore, function: Callable[P, R]) -> Callable[P, R]:
    """Guard a plain function.

    This is the path of most calls: while the breaker is closed it takes no
    lock and makes no Python call that can be avoided.
    """
    machine, clock = core._machine, core._clock
    next_ticket, count_success = core._next_ticket, core._count_success

    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        generation = machine.lock_free_admissions
        if generation is None:
            generation, started = core._admit()
        else:
            if not next_ticket() & FOLD_MASK:
                core._fold()
            started = clock()
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            core._record_error(error, generation, started)
            raise
        if type(result) in DEFERRED_TYPES:
            return guard_deferred(core, result, generation, started)
        if generation == machine.lock_free_successes:
            count_success(clock() - started)
        else:
            core._record_result(result, generation, started)
        return result

    return guarded


def guard_coroutine(
    core: BreakerCore, function: Callable[P, Coroutine[Any, Any, R]]
) -> Callable[P, Coroutine[Any, Any, R]]:
    """Guard a coroutine function, as `guard_function()` guards a plain one."""
    machine, clock = core._machine, core._clock
    next_ticket, count_success = core._next_ticket, core._count_success

    async def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        generation = machine.lock_free_admissions
        if generation is None:
            generation, started = core._admit()
        else:
            if not next_ticket() & FOLD_MASK:
                core._fold()
            started = clock()
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            core._record_error(error, generation, started)
            raise
        if generation == machine.lock_free_successes:
            count_success(clock() - started)
        else:
            core._record_result(result, generation, started)
        return result

    return guarded


def guard_generator(
    core: BreakerCore, function: Callable[P, Generator[Item, Sent, Returned]]
) -> Callable[P, Generator[Item, Sent, Returned]]:
    """Guard a generator function."""

    def guarded(*args: P.args, **kwargs: P.kwargs) -> Generator[Item, Sent, Returned]:
        with Permit(core, *core._admit()) as permit:
            items = function(*args, **kwargs)
            return (yield from _GuardedItems(items, permit, _item_judge_of(core)))

    return guarded


def guard_async_generator(
    core: BreakerCore, function: Callable[P, AsyncGenerator[Item, Sent | None]]
) -> Callable[P, AsyncGenerator[Item, Sent | None]]:
    """Guard an asynchronous generator function."""

    async def guarded(*args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[Item, Sent | None]:
        async with (
            Permit(core, *core._admit()) as permit,
            aclosing(function(*args, **kwargs)) as items,
        ):
            judge_item = _item_judge_of(core)
            # What `yield from` does for a generator has to be written out for this kind.
            coming = items.asend(None)
            while True:
                try:
                    item = await coming
                except StopAsyncIteration:
                    return
                _inspect_item(item, permit, judge_item)
                try:
                    sent = yield item
                except GeneratorExit:
                    raise
                except BaseException as thrown:  # noqa: BLE001 (it goes where it was meant to go)
                    coming = items.athrow(thrown)
                else:
                    coming = items.asend(sent)

    return guarded


def guard_deferred(core: BreakerCore, result: R, generation: int, started: float) -> R:
    """Guard the coroutine or generator that a plain function returned.

    The function's own admission is cancelled: the call begins when its result
    first runs, and is admitted then.
    """
    core._cancel_admission(generation, started)
    deferred: Any = result
    if isinstance(deferred, GeneratorType):
        return cast("R", guard_generator(core, lambda: deferred)())
    if isinstance(deferred, AsyncGeneratorType):
        return cast("R", guard_async_generator(core, lambda: deferred)())
    return cast("R", _await_deferred(core, deferred))


async def _await_deferred(core: BreakerCore, call: Coroutine[Any, Any, R]) -> R:
    try:
        return await guard_coroutine(core, lambda: call)()
    finally:
        call.close()  # it was never awaited if it was rejected


class _GuardedItems(Generator[Item, Sent, Returned]):
    """A generator that reports each of its items to a permit."""

    __slots__ = ("_items", "_judge_item", "_permit")

    def __init__(
        self,
        items: Generator[Item, Sent, Returned],
        permit: Permit,
        judge_item: JudgeItem | None,
    ) -> None:
        self._items = items
        self._permit = permit
        self._judge_item = judge_item

    def send(self, value: Sent) -> Item:
        return self._inspected(self._items.send(value))

    def throw(  # type: ignore[override] # of three forms, `yield from` uses this one
        self,
        kind: type[BaseException] | BaseException,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,  # noqa: ARG002 (the error has it)
    ) -> Item:
        return self._inspected(self._items.throw(error or kind))

    def close(self) -> None:
        self._items.close()

    def __next__(self) -> Item:
        return self._inspected(next(self._items))

    def _inspected(self, item: Item) -> Item:
        _inspect_item(item, self._permit, self._judge_item)
        return item


def _item_judge_of(core: BreakerCore) -> JudgeItem | None:
    classifier = core.settings.classifier
    return classifier.on_result if classifier.judges_results else None


def _inspect_item(item: object, permit: Permit, judge_item: JudgeItem | None) -> None:
    """Report an item to the permit, and settle it if the item decides the verdict."""
    permit.first_item()
    if judge_item is not None and (ruling := judge_item(item)) is not None:
        permit.settle(ruling)


_GUARDS: Mapping[CallableKind, Callable[[BreakerCore, Any], Any]] = {
    CallableKind.PLAIN: guard_function,
    CallableKind.COROUTINE: guard_coroutine,
    CallableKind.GENERATOR: guard_generator,
    CallableKind.ASYNC_GENERATOR: guard_async_generator,
}
