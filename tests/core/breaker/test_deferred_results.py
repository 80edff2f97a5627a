"""What a plain function returns to be awaited later: futures, tasks, other awaitables."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from fuseboard import CircuitBreaker, CircuitOpenError, ConsecutiveFailures, State
from tests.core.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def breaker(clock: ManualClock) -> CircuitBreaker:
    return CircuitBreaker("model", trip=ConsecutiveFailures(2), recovery_timeout=10, clock=clock)


def counts(breaker: CircuitBreaker) -> tuple[int, int, int, int]:
    seen = breaker.snapshot()
    return seen.calls.success, seen.calls.failure, seen.calls.ignored, seen.in_flight


async def fail() -> None:
    await asyncio.sleep(0)
    raise RuntimeError


async def succeed() -> str:
    await asyncio.sleep(0)
    return "done"


async def test_a_task_is_settled_when_it_is_done(breaker: CircuitBreaker) -> None:
    start = breaker.guard(lambda work: asyncio.ensure_future(work()))
    task = start(succeed)
    assert isinstance(task, asyncio.Task)
    assert counts(breaker) == (0, 0, 0, 1)
    assert await task == "done"
    await asyncio.sleep(0)
    assert counts(breaker) == (1, 0, 0, 0)
    for _ in range(2):
        with pytest.raises(RuntimeError):
            await start(fail)
        await asyncio.sleep(0)
    assert breaker.state is State.OPEN
    with pytest.raises(CircuitOpenError):
        start(succeed)


async def test_what_gather_returns(breaker: CircuitBreaker) -> None:
    gathered = breaker.call(lambda: asyncio.gather(succeed(), fail()))
    with pytest.raises(RuntimeError):
        await gathered
    await asyncio.sleep(0)
    assert counts(breaker) == (0, 1, 0, 0)


async def test_one_that_is_cancelled_proves_nothing(breaker: CircuitBreaker) -> None:
    task = breaker.call(lambda: asyncio.ensure_future(succeed()))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    assert counts(breaker) == (0, 0, 1, 0)


def test_a_future_of_a_pool(breaker: CircuitBreaker) -> None:
    with ThreadPoolExecutor(1) as pool:
        submit = breaker.guard(pool.submit)
        assert submit(int).result() == 0
        failing: Future[Any] = submit(int, "three")
        with pytest.raises(ValueError, match="three"):
            failing.result()
    assert counts(breaker) == (1, 1, 0, 0)


def test_a_probe_that_is_a_future(breaker: CircuitBreaker, clock: ManualClock) -> None:
    breaker.trip()
    clock.advance(10)
    future: Future[str] = Future()
    assert breaker.call(lambda: future) is future
    assert breaker.snapshot().probes == 1
    future.set_result("done")
    assert breaker.state is State.CLOSED


def test_results_are_judged(clock: ManualClock) -> None:
    breaker = CircuitBreaker("model", failure_on_result=lambda result: result == "bad")
    future: Future[str] = Future()
    breaker.call(lambda: future)
    future.set_result("bad")
    assert counts(breaker) == (0, 1, 0, 0)


def test_another_awaitable_is_told_of_once(
    breaker: CircuitBreaker, caplog: pytest.LogCaptureFixture
) -> None:
    class Request:
        def __await__(self) -> Generator[Any, None, None]:
            yield

    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            breaker.call(Request)
            breaker.call(lambda: Request())
    (record,) = caplog.records
    assert "returned a test_another_awaitable" in record.getMessage()
    assert "guard a coroutine function" in record.getMessage()
