"""A breaker met inside its own call is one call (Polly#933)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from fuseboard import CircuitBreaker, CircuitOpenError, ConsecutiveFailures, State
from tests.core.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def breaker(clock: ManualClock) -> CircuitBreaker:
    return CircuitBreaker("model", trip=ConsecutiveFailures(3), recovery_timeout=10, clock=clock)


def counts(breaker: CircuitBreaker) -> tuple[int, int, int, int, int]:
    seen = breaker.snapshot()
    calls = seen.calls
    return calls.success, calls.failure, calls.ignored, calls.rejected, seen.in_flight


def fail() -> None:
    raise RuntimeError


async def fail_later() -> None:
    await asyncio.sleep(0)
    raise RuntimeError


async def succeed_later() -> str:
    await asyncio.sleep(0)
    return "done"


def numbers(breaker: CircuitBreaker) -> Iterator[int]:
    for number in range(3):
        yield breaker.call(lambda: number)  # noqa: B023 (called at once)


Way = Callable[[CircuitBreaker, Callable[[], Any]], Any]


def guarded_twice(breaker: CircuitBreaker, function: Callable[[], Any]) -> Any:
    return breaker.guard(breaker.guard(function))()


def guarded_in_guarded(breaker: CircuitBreaker, function: Callable[[], Any]) -> Any:
    inner = breaker.guard(function)
    return breaker.guard(lambda: inner())()


def called_in_a_block(breaker: CircuitBreaker, function: Callable[[], Any]) -> Any:
    with breaker.acquire():
        return breaker.call(function)


def block_in_a_call(breaker: CircuitBreaker, function: Callable[[], Any]) -> Any:
    def outer() -> Any:
        with breaker.acquire():
            return function()

    return breaker.call(outer)


def block_in_a_block(breaker: CircuitBreaker, function: Callable[[], Any]) -> Any:
    with breaker.acquire(), breaker.acquire():
        return function()


def loop_in_a_call(breaker: CircuitBreaker, function: Callable[[], Any]) -> Any:
    async def inner() -> Any:
        return function()

    return breaker.call(lambda: asyncio.run(breaker.guard(inner)()))


def in_a_generator(breaker: CircuitBreaker, function: Callable[[], Any]) -> Any:
    def items() -> Iterator[Any]:
        yield breaker.call(function)

    (item,) = breaker.guard(items)()
    return item


def generator_in_a_call(breaker: CircuitBreaker, function: Callable[[], Any]) -> Any:
    def items() -> Iterator[Any]:
        yield function()

    (item,) = breaker.call(lambda: list(breaker.guard(items)()))
    return item


def in_an_async_generator(breaker: CircuitBreaker, function: Callable[[], Any]) -> Any:
    async def items() -> AsyncIterator[Any]:
        await asyncio.sleep(0)
        yield breaker.call(function)

    async def read() -> Any:
        (item,) = [item async for item in breaker.guard(items)()]
        return item

    return asyncio.run(read())


WAYS: list[Way] = [
    guarded_twice,
    guarded_in_guarded,
    called_in_a_block,
    block_in_a_call,
    block_in_a_block,
    loop_in_a_call,
    in_a_generator,
    generator_in_a_call,
    in_an_async_generator,
]


@pytest.mark.parametrize("way", WAYS)
class TestEachWay:
    def test_is_one_success(self, breaker: CircuitBreaker, way: Way) -> None:
        assert way(breaker, lambda: "done") == "done"
        assert counts(breaker) == (1, 0, 0, 0, 0)

    def test_is_one_failure(self, breaker: CircuitBreaker, way: Way) -> None:
        with pytest.raises(RuntimeError):
            way(breaker, fail)
        assert counts(breaker) == (0, 1, 0, 0, 0)
        assert breaker.snapshot().consecutive_failures == 1

    def test_recovers_with_one_probe(
        self, breaker: CircuitBreaker, clock: ManualClock, way: Way
    ) -> None:
        breaker.trip()
        clock.advance(10)
        assert way(breaker, lambda: "done") == "done"
        assert breaker.state is State.CLOSED

    def test_is_rejected_once(self, breaker: CircuitBreaker, way: Way) -> None:
        breaker.trip()
        with pytest.raises(CircuitOpenError):
            way(breaker, lambda: "done")
        assert counts(breaker) == (0, 0, 0, 1, 0)

    def test_leaves_nothing_behind(self, breaker: CircuitBreaker, way: Way) -> None:
        for function in (lambda: "done", fail):
            with suppress(RuntimeError):
                way(breaker, function)
        breaker.call(int)
        breaker.call(int)
        assert counts(breaker) == (3, 1, 0, 0, 0)


class TestCoroutines:
    async def test_guarded_twice(self, breaker: CircuitBreaker) -> None:
        twice = breaker.guard(breaker.guard(succeed_later))
        await asyncio.gather(*(twice() for _ in range(20)))
        assert counts(breaker) == (20, 0, 0, 0, 0)
        with pytest.raises(RuntimeError):
            await breaker.guard(breaker.guard(fail_later))()
        assert counts(breaker) == (20, 1, 0, 0, 0)

    async def test_tasks_begun_inside_are_inside(self, breaker: CircuitBreaker) -> None:
        inner = breaker.guard(succeed_later)

        async def outer() -> list[str]:
            return list(await asyncio.gather(inner(), inner()))

        await asyncio.gather(breaker.call(outer), breaker.call(outer))
        assert counts(breaker) == (2, 0, 0, 0, 0)

    async def test_threads_begun_inside_are_inside(self, breaker: CircuitBreaker) -> None:
        async def outer() -> int:
            return await asyncio.to_thread(breaker.call, int)

        await breaker.call(outer)
        assert counts(breaker) == (1, 0, 0, 0, 0)

    async def test_a_task_that_outlives_the_call_makes_calls_of_its_own(
        self, breaker: CircuitBreaker
    ) -> None:
        over = asyncio.Event()
        tasks = []

        async def later() -> None:
            await over.wait()
            await breaker.call(succeed_later)

        async def outer() -> None:
            tasks.append(asyncio.create_task(later()))

        await breaker.call(outer)
        over.set()
        await tasks[0]
        assert counts(breaker) == (2, 0, 0, 0, 0)

    async def test_tasks_beside_each_other_are_not_inside(self, breaker: CircuitBreaker) -> None:
        under_way = 0

        async def look() -> None:
            nonlocal under_way
            await asyncio.sleep(0)
            under_way = max(under_way, breaker.snapshot().in_flight)
            await asyncio.sleep(0)

        await breaker.call(look)  # its mark in the context is inherited, and over
        await asyncio.gather(*(breaker.call(look) for _ in range(7)))
        assert under_way == 7
        assert counts(breaker) == (8, 0, 0, 0, 0)

    async def test_another_breaker_between(self, breaker: CircuitBreaker) -> None:
        other = CircuitBreaker("other")
        await breaker.guard(other.guard(breaker.guard(succeed_later)))()
        assert counts(breaker) == counts(other) == (1, 0, 0, 0, 0)
        await other.call(succeed_later)
        await breaker.call(succeed_later)
        assert counts(breaker) == counts(other) == (2, 0, 0, 0, 0)


class TestStreams:
    def test_calls_of_the_consumer_are_not_inside(self, breaker: CircuitBreaker) -> None:
        for _ in breaker.guard(lambda: iter(range(3)).__iter__())():
            pass
        stream = breaker.guard(numbers)(CircuitBreaker("other"))
        for _ in stream:
            breaker.call(int)
        assert counts(breaker) == (5, 0, 0, 0, 0)

    def test_one_guarded_twice(self, breaker: CircuitBreaker) -> None:
        assert list(breaker.guard(breaker.guard(numbers))(breaker)) == [0, 1, 2]
        assert counts(breaker) == (1, 0, 0, 0, 0)

    async def test_an_asynchronous_one_whose_consumer_makes_calls(
        self, breaker: CircuitBreaker
    ) -> None:
        async def items() -> AsyncIterator[str]:
            for _ in range(3):
                yield await breaker.call(succeed_later)

        async for _ in breaker.guard(breaker.guard(items))():
            await breaker.call(succeed_later)
        assert counts(breaker) == (4, 0, 0, 0, 0)


class TestTheInnerCallKnowsBetter:
    def test_a_failure_that_the_outer_call_conceals(self, breaker: CircuitBreaker) -> None:
        def outer() -> str:
            with suppress(RuntimeError):
                breaker.call(fail)
            return "a default"

        assert breaker.call(outer) == "a default"
        assert counts(breaker) == (0, 1, 0, 0, 0)

    def test_a_retry_that_succeeds(self, breaker: CircuitBreaker) -> None:
        def outer() -> None:
            with suppress(RuntimeError):
                breaker.call(fail)
            breaker.call(int)

        breaker.call(outer)
        assert counts(breaker) == (1, 0, 0, 0, 0)

    def test_a_permit_settled_inside(self, breaker: CircuitBreaker) -> None:
        def outer() -> None:
            permit = breaker.acquire()
            assert permit.failure("error in the body")
            assert not permit.success()

        breaker.call(outer)
        assert counts(breaker) == (0, 1, 0, 0, 0)

    async def test_a_stream_that_goes_on_takes_the_call_over(self, breaker: CircuitBreaker) -> None:
        async def outer() -> Any:
            return breaker.acquire()

        for end, expected in (("success", (1, 0, 0, 0, 0)), ("failure", (1, 1, 0, 0, 0))):
            permit = await breaker.call(outer)
            assert breaker.snapshot().in_flight == 1
            assert getattr(permit, end)()
            assert counts(breaker) == expected

    def test_one_that_ends_after_an_outer_call_that_raised_changes_nothing(
        self, breaker: CircuitBreaker
    ) -> None:
        permits = []

        def outer() -> None:
            permits.append(breaker.acquire())
            raise KeyError

        breaker.configure(ignore=KeyError)
        with pytest.raises(KeyError):
            breaker.call(outer)
        permits[0].failure("late")
        breaker.call(int)
        assert counts(breaker) == (1, 0, 1, 0, 0)

    def test_what_the_outer_call_raises_counts(self, breaker: CircuitBreaker) -> None:
        def outer() -> None:
            breaker.call(int)
            raise RuntimeError

        with pytest.raises(RuntimeError):
            breaker.call(outer)
        assert counts(breaker) == (0, 1, 0, 0, 0)


def test_other_threads_make_calls_of_their_own(breaker: CircuitBreaker) -> None:
    meeting = threading.Barrier(4, timeout=30)

    def outer() -> None:
        meeting.wait()
        breaker.call(int)
        meeting.wait()

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(breaker.call, outer) for _ in range(4)]:
            done.result()
    assert counts(breaker) == (4, 0, 0, 0, 0)
