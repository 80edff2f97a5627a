"""A permit that is dropped before it was settled is given back, with a warning."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from fuseboard import CircuitBreaker, State
from tests.core.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def breaker(clock: ManualClock) -> CircuitBreaker:
    return CircuitBreaker("model", recovery_timeout=10, clock=clock)


def lose_one(breaker: CircuitBreaker) -> None:
    breaker.acquire()


def lose_one_that_goes_round(breaker: CircuitBreaker) -> None:
    holder: dict[str, Any] = {"permit": breaker.acquire()}
    holder["itself"] = holder


def await_one(breaker: CircuitBreaker) -> None:
    async def wrong() -> None:
        async with await breaker.acquire():  # type: ignore[misc]
            pass

    with pytest.raises(TypeError, match="can't be used in 'await' expression"):
        asyncio.run(wrong())


def collect_after(work: Callable[[], object]) -> None:
    work()
    gc.collect()


@pytest.mark.parametrize("lose", [lose_one, lose_one_that_goes_round, await_one])
def test_warns_and_is_given_back(
    breaker: CircuitBreaker, clock: ManualClock, lose: Callable[[CircuitBreaker], None]
) -> None:
    breaker.trip()
    clock.advance(10)
    with pytest.warns(ResourceWarning, match="permit of 'model' was dropped"):
        collect_after(lambda: lose(breaker))
    seen = breaker.snapshot()
    assert (seen.state, seen.probes, seen.in_flight) == (State.HALF_OPEN, 0, 0)
    assert seen.calls.ignored == 1
    breaker.call(int)
    assert breaker.state is State.CLOSED


def test_one_that_is_settled_says_nothing(breaker: CircuitBreaker) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        breaker.acquire().success()
        with breaker.acquire():
            pass
        breaker.call(lambda: breaker.acquire().success())
        gc.collect()
    assert breaker.snapshot().calls.total == 3


def test_a_generator_that_is_abandoned_says_nothing(breaker: CircuitBreaker) -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stream = breaker.guard(items)()
        circle = [stream]
        circle.append(circle)  # type: ignore[arg-type]
        next(stream)
        del stream, circle
        gc.collect()
    assert breaker.snapshot().calls.success == 1


@pytest.mark.filterwarnings("ignore:.*never awaited:RuntimeWarning")
def test_a_loop_closed_without_shutting_its_generators_down(breaker: CircuitBreaker) -> None:
    async def items() -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(60)

    streams = []

    async def begin() -> None:
        stream = breaker.guard(items)()
        streams.append(stream)
        await anext(stream)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(begin())
    loop.close()
    assert breaker.snapshot().in_flight == 1
    with pytest.warns(ResourceWarning, match="dropped before it was settled"):
        collect_after(streams.clear)
    assert breaker.snapshot().in_flight == 0


async def test_an_abandoned_asynchronous_generator_is_closed_by_its_loop(
    breaker: CircuitBreaker,
) -> None:
    async def items() -> AsyncIterator[int]:
        yield 1
        yield 2

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stream = breaker.guard(items)()
        await anext(stream)
        del stream
        gc.collect()
        for _ in range(5):
            await asyncio.sleep(0)
    assert breaker.snapshot().calls.success == 1
    assert breaker.snapshot().in_flight == 0


def test_where_it_was_taken_is_told_if_asked() -> None:
    program = (
        "from fuseboard import CircuitBreaker\n"
        "breaker = CircuitBreaker('model')\n"
        "permit = breaker.acquire()\n"
        "del permit\n"
    )
    told = subprocess.run(
        [sys.executable, "-X", "tracemalloc=10", "-W", "default", "-c", program],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    assert "ResourceWarning: a permit of 'model' was dropped" in told
    assert "Object allocated at" in told
    assert 'File "<string>", lineno 3' in told
