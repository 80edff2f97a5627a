"""Generators under a breaker: admitted with the first item, judged when they end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from fuseboard.breaker.outcome import Ruling
from fuseboard.breaker.permit import Permit

if TYPE_CHECKING:
    from fuseboard.breaker.breaker import CircuitBreaker

Item = TypeVar("Item")
Sent = TypeVar("Sent")
Returned = TypeVar("Returned")

P = ParamSpec("P")

JudgeItem = Callable[[object], Ruling | None]


def guard_generator(
    breaker: CircuitBreaker, function: Callable[P, Generator[Item, Sent, Returned]]
) -> Callable[P, Generator[Item, Sent, Returned]]:
    """Guard a generator function."""

    def guarded(*args: P.args, **kwargs: P.kwargs) -> Generator[Item, Sent, Returned]:
        with breaker.acquire() as permit:
            watched = _Watched(function(*args, **kwargs), permit, _item_judge_of(breaker))
            return (yield from watched)

    return guarded


def guard_async_generator(
    breaker: CircuitBreaker, function: Callable[P, AsyncGenerator[Item, Sent | None]]
) -> Callable[P, AsyncGenerator[Item, Sent | None]]:
    """Guard an asynchronous generator function."""

    async def guarded(*args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[Item, Sent | None]:
        async with breaker.acquire() as permit, aclosing(function(*args, **kwargs)) as items:
            judge_item = _item_judge_of(breaker)
            # What `yield from` does for a generator has to be written out for this kind.
            coming = items.asend(None)
            while True:
                try:
                    item = await coming
                except StopAsyncIteration:
                    return
                _see(item, permit, judge_item)
                try:
                    sent = yield item
                except GeneratorExit:
                    raise
                except BaseException as thrown:  # noqa: BLE001 (it goes where it was meant to go)
                    coming = items.athrow(thrown)
                else:
                    coming = items.asend(sent)

    return guarded


def _item_judge_of(breaker: CircuitBreaker) -> JudgeItem | None:
    rules = breaker.settings.rules
    return rules.on_result if rules.judges_results else None


class _Watched(Generator[Item, Sent, Returned]):
    """A generator that reports each item to a permit."""

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
        return self._seen(self._items.send(value))

    def throw(  # type: ignore[override] # of three forms, `yield from` uses this one
        self,
        kind: type[BaseException] | BaseException,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,  # noqa: ARG002 (the error has it)
    ) -> Item:
        return self._seen(self._items.throw(error or kind))

    def close(self) -> None:
        self._items.close()

    def __next__(self) -> Item:
        return self._seen(next(self._items))

    def _seen(self, item: Item) -> Item:
        _see(item, self._permit, self._judge_item)
        return item


def _see(item: Any, permit: Permit, judge_item: JudgeItem | None) -> None:
    permit.first_item()
    if judge_item is not None and (ruling := judge_item(item)) is not None:
        permit.settle(ruling)
