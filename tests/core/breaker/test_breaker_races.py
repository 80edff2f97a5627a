"""The breaker under threads, cancellation and re-entry."""

from __future__ import annotations

import asyncio
import gc
import random
import sys
import threading
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count

import pytest

from fuseboard import (
    CircuitBreaker,
    CircuitOpenError,
    ConsecutiveFailures,
    CountWindow,
    FailureRate,
    Permit,
    SlowCallRate,
    State,
    TimeWindow,
    TripPolicy,
)
from tests.core.clock import ManualClock

THREADS = 8


@pytest.fixture(autouse=True)
def _switch_threads_often() -> Iterator[None]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(usual)


def in_threads(work: Callable[[int], None]) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(work, number) for number in range(THREADS)]:
            done.result()


def never_trips() -> ConsecutiveFailures:
    return ConsecutiveFailures(10**9)


@pytest.mark.parametrize("trip", [never_trips(), FailureRate(1.0) & never_trips()])
def test_counters_are_exact_under_threads(trip: TripPolicy) -> None:
    breaker = CircuitBreaker("busy", trip=trip)
    succeed = breaker.guard(lambda: None)
    each = 100_000 if trip == never_trips() else 10_000
    looking = threading.Event()

    def fail() -> None:
        raise RuntimeError

    def work(number: int) -> None:
        for _ in range(each):
            succeed()
        for _ in range(each // 100):
            with pytest.raises(RuntimeError):
                breaker.call(fail)
            breaker.acquire().ignore()

    def look() -> None:
        while not looking.is_set():
            seen = breaker.snapshot()
            assert 0 <= seen.in_flight <= THREADS
            durations = sum(histogram.count for histogram in seen.durations.values())
            assert durations == seen.calls.total

    with ThreadPoolExecutor(1) as observer:
        watching = observer.submit(look)
        in_threads(work)
        looking.set()
        watching.result()
    seen = breaker.snapshot()
    assert seen.calls.success == THREADS * each
    assert seen.calls.failure == seen.calls.ignored == THREADS * each // 100
    assert (seen.in_flight, seen.late) == (0, 0)


def test_no_lock_is_held_during_a_call() -> None:
    breaker = CircuitBreaker("slow")
    meeting = threading.Barrier(THREADS, timeout=10)

    def meet(_: int) -> None:
        breaker.call(meeting.wait)

    in_threads(meet)
    assert breaker.snapshot().calls.success == THREADS


def test_never_more_probes_than_allowed() -> None:
    rounds = 10_000 // THREADS
    clock = ManualClock()
    breaker = CircuitBreaker("raced", max_probes=2, recovery_timeout=1, clock=clock)
    meeting = threading.Barrier(THREADS, action=lambda: begin_round(), timeout=30)
    permits: list[Permit] = []
    admitted: list[int] = []

    def begin_round() -> None:
        admitted.append(len(permits))
        for permit in permits:
            permit.ignore()
        permits.clear()
        breaker.trip()
        clock.advance(1)

    def race(_: int) -> None:
        for _ in range(rounds):
            meeting.wait()
            with suppress(CircuitOpenError):
                permits.append(breaker.acquire())

    in_threads(race)
    for permit in permits:
        permit.ignore()
    assert set(admitted[1:]) == {2}
    assert breaker.snapshot().calls.rejected == rounds * (THREADS - 2)


async def test_no_permit_leaks_in_10_000_cancellations() -> None:
    breaker = CircuitBreaker(
        "cancelled", trip=never_trips(), max_probes=3, probe_timeout=1e9, recovery_timeout=1e-9
    )
    rng = random.Random(1)
    cancelled = 0

    async def answer(steps: int) -> int:
        for _ in range(steps):
            await asyncio.sleep(0)
        if rng.random() < 0.1:
            raise RuntimeError
        return steps

    async def stream(steps: int) -> None:
        async def chunks() -> AsyncIterator[int]:
            for step in range(steps):
                await asyncio.sleep(0)
                yield step

        async for _ in breaker.guard(chunks)():
            await asyncio.sleep(0)

    async def block(steps: int) -> None:
        async with breaker.acquire():
            await answer(steps)

    async def by_call(steps: int) -> None:
        await breaker.call(lambda: answer(steps))

    ways: list[Callable[[int], Awaitable[object]]] = [
        breaker.guard(answer),
        stream,
        block,
        by_call,
    ]
    for number in range(2_000):
        if number % 20 == 0:
            breaker.trip()  # so that some of them are probes
        tasks = [asyncio.ensure_future(rng.choice(ways)(rng.randrange(5))) for _ in range(5)]
        for _ in range(rng.randrange(6)):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        cancelled += sum(isinstance(end, asyncio.CancelledError) for end in ends)
    seen = breaker.snapshot()
    assert cancelled > 3_000
    assert (seen.in_flight, seen.probes) == (0, 0)
    assert seen.calls.ignored > 0
    assert breaker.call(int) == 0


def test_a_rejection_is_gone_once_it_was_handled() -> None:
    breaker = CircuitBreaker("open")
    breaker.force_open()
    left: list[weakref.ref[CircuitOpenError]] = []
    gc.disable()
    try:
        try:
            breaker.call(int)
        except CircuitOpenError as error:
            left.append(weakref.ref(error))
        assert left[0]() is None
    finally:
        gc.enable()


class TestReentry:
    """Each piece of the user's code may use the breaker that runs it."""

    def test_from_a_call(self) -> None:
        breaker = CircuitBreaker("again")
        assert breaker.call(lambda: breaker.call(lambda: breaker.snapshot().in_flight)) == 1

    @pytest.mark.parametrize("kind", ["on_transition", "on_call", "on_rejection"])
    def test_from_a_listener(self, kind: str) -> None:
        breaker = CircuitBreaker("again")
        seen: list[State] = []

        def listen(which: CircuitBreaker, _: object) -> None:
            if len(seen) < 3:
                seen.append(which.snapshot().state)
                which.reset()
                which.call(int)
                which.force_open()
                with pytest.raises(CircuitOpenError):
                    which.call(int)

        getattr(breaker, kind)(listen)
        breaker.call(int)
        breaker.force_open()
        with pytest.raises(CircuitOpenError):
            breaker.call(int)
        assert len(seen) == 3

    def test_from_predicates(self) -> None:
        breaker = CircuitBreaker(
            "again",
            failure_on=lambda error: breaker.state is State.CLOSED,
            ignore=lambda error: breaker.call(int) == 1,
            failure_on_result=lambda result: breaker.snapshot().calls.failure == 0 and result == 7,
        )

        def fail() -> None:
            raise RuntimeError

        with pytest.raises(RuntimeError):
            breaker.call(fail)
        assert breaker.call(lambda: 7) == 7
        assert breaker.snapshot().calls.failure == 1

    def test_from_a_fallback(self) -> None:
        breaker = CircuitBreaker("again")
        fetch = breaker.guard(fallback=lambda: breaker.snapshot().state)(lambda: None)
        breaker.force_open()
        assert fetch() is State.OPEN

    def test_from_garbage_that_is_collected_while_the_lock_is_held(self) -> None:
        collecting = False
        ticks = count()

        def clock() -> float:  # read under the lock, where any allocation may collect as well
            if collecting:
                gc.collect()
            return float(next(ticks))

        breaker = CircuitBreaker("again", clock=clock)

        def forever() -> Iterator[int]:
            yield from count()

        class Holder:
            pass

        abandoned = Holder()
        abandoned.stream = breaker.guard(forever)()  # type: ignore[attr-defined]
        abandoned.itself = abandoned  # type: ignore[attr-defined]
        next(abandoned.stream)  # type: ignore[attr-defined]
        del abandoned
        collecting = True
        seen = []
        looking = threading.Thread(target=lambda: seen.append(breaker.snapshot()), daemon=True)
        looking.start()
        looking.join(10)
        assert seen, "it waits for itself"
        assert breaker.snapshot().calls.success == 1

    @pytest.mark.parametrize(
        "trip",
        [
            ConsecutiveFailures(3),
            FailureRate(0.5, TimeWindow(10), minimum_calls=3),
            SlowCallRate(0.5, 0.9, CountWindow(10), minimum_calls=5, in_flight=True),
        ],
    )
    def test_from_garbage_that_is_collected_at_any_moment(self, trip: TripPolicy) -> None:
        """The abandoned calls are settled by hand, where a collection would have settled them."""
        for moment in range(1, 300):
            clock = ManualClock()
            breaker = CircuitBreaker(
                "again", trip=trip, recovery_timeout=1, probe_timeout=5, max_probes=2, clock=clock
            )
            abandoned = [breaker.acquire() for _ in range(2)]
            until = count(1)

            def collect(phase: str, _: object) -> None:
                if phase == "start" and next(until) == moment:  # noqa: B023
                    for permit in abandoned:  # noqa: B023
                        permit.ignore()

            usual = gc.get_threshold()
            gc.callbacks.append(collect)
            gc.set_threshold(1, 1000, 1000)
            try:
                for seconds in (0.25, 0.25, 0.3, 0.6, 1.1, 5):
                    with suppress(CircuitOpenError):
                        breaker.acquire().failure("bad")
                    clock.advance(seconds)
                    with suppress(CircuitOpenError):
                        breaker.acquire().success()
            finally:
                gc.set_threshold(*usual)
                gc.callbacks.remove(collect)
            for permit in abandoned:
                permit.ignore()
            seen = breaker.snapshot()
            assert (seen.in_flight, seen.probes) == (0, 0)
            assert sum(seen.state_seconds.values()) == pytest.approx(7.5)
