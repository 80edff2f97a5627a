"""The response cache: what is stored, for how long, and single flight."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseboard.ollama.response_cache import ResponseCache
from tests.core.clock import ManualClock


class Service:
    """Respond to `key` with two chunks, the second when `go` is set."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.cancelled = 0
        self.go = asyncio.Event()
        self.slow_to_end = False
        self.error: Exception | None = None

    def respond(self, key: str) -> AsyncGenerator[str, None]:
        return self._respond(key)

    async def _respond(self, key: str) -> AsyncGenerator[str, None]:
        self.requests.append(key)
        try:
            yield f"{key}1"
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            if self.slow_to_end:
                await self.go.wait()
            raise
        if self.error is not None:
            raise self.error
        yield f"{key}2"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def cache(clock: ManualClock) -> ResponseCache:
    return ResponseCache("answers", 3, 60, clock)


@pytest.fixture
async def service() -> Service:
    return Service()


async def read(cache: ResponseCache, service: Service, key: str) -> list[str]:
    return [chunk async for chunk in cache.stream(key, lambda: service.respond(key))]


async def leave(stream: AsyncGenerator[str, None]) -> None:
    await stream.aclose()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def figures(cache: ResponseCache) -> tuple[int, int, int]:
    seen = cache.snapshot()
    return seen.hits, seen.misses, seen.entries


async def test_fetches_once_and_then_reads_the_cache(
    cache: ResponseCache, service: Service
) -> None:
    service.go.set()
    for _ in range(3):
        assert await read(cache, service, "a") == ["a1", "a2"]
    assert service.requests == ["a"]
    assert figures(cache) == (2, 1, 1)
    assert cache.snapshot().hit_rate == pytest.approx(2 / 3)


async def test_concurrent_requests_share_one_flight(cache: ResponseCache, service: Service) -> None:
    readers = [asyncio.create_task(read(cache, service, "a")) for _ in range(5)]
    await settle()
    service.go.set()
    assert await asyncio.gather(*readers) == [["a1", "a2"]] * 5
    assert service.requests == ["a"]
    assert figures(cache) == (4, 1, 1)


async def test_chunks_are_passed_on_as_they_arrive(cache: ResponseCache, service: Service) -> None:
    stream = cache.stream("a", lambda: service.respond("a"))
    assert await anext(stream) == "a1"
    late = cache.stream("a", lambda: service.respond("a"))
    assert await anext(late) == "a1"
    service.go.set()
    assert [chunk async for chunk in stream] == ["a2"]
    assert [chunk async for chunk in late] == ["a2"]


async def test_a_flight_that_fails_fails_for_all_and_is_not_stored(
    cache: ResponseCache, service: Service
) -> None:
    readers = [asyncio.create_task(read(cache, service, "a")) for _ in range(3)]
    await settle()
    service.error = RuntimeError("down")
    service.go.set()
    ends = await asyncio.gather(*readers, return_exceptions=True)
    assert [type(end) for end in ends] == [RuntimeError] * 3
    service.error = None
    assert await read(cache, service, "a") == ["a1", "a2"]
    assert service.requests == ["a", "a"]


async def test_a_reader_that_leaves_does_not_end_it_for_the_others(
    cache: ResponseCache, service: Service
) -> None:
    first, second = (asyncio.create_task(read(cache, service, "a")) for _ in range(2))
    await settle()
    first.cancel()
    await settle()
    service.go.set()
    assert await second == ["a1", "a2"]
    assert service.cancelled == 0


async def test_the_last_reader_to_leave_ends_it(cache: ResponseCache, service: Service) -> None:
    readers = [asyncio.create_task(read(cache, service, "a")) for _ in range(2)]
    await settle()
    for reader in readers:
        reader.cancel()
    await settle()
    assert service.cancelled == 1
    assert figures(cache) == (1, 1, 0)
    service.go.set()
    assert await read(cache, service, "a") == ["a1", "a2"]


async def test_a_request_after_the_last_reader_left_starts_a_new_flight(
    cache: ResponseCache, service: Service
) -> None:
    leaving = cache.stream("a", lambda: service.respond("a"))
    assert await anext(leaving) == "a1"
    service.slow_to_end = True
    left = asyncio.create_task(leave(leaving))
    await settle()
    assert not left.done()
    coming = cache.stream("a", lambda: service.respond("a"))  # before the flight has ended
    assert await anext(coming) == "a1"
    service.go.set()
    assert [chunk async for chunk in coming] == ["a2"]
    await left
    assert service.requests == ["a", "a"]
    assert figures(cache) == (0, 2, 1)


async def test_a_flight_cancelled_from_outside_leaves_no_reader_waiting(
    cache: ResponseCache, service: Service
) -> None:
    before = asyncio.all_tasks()
    reader = asyncio.create_task(read(cache, service, "a"))
    await settle()
    (flight,) = asyncio.all_tasks() - before - {reader}
    flight.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(reader, 5)
    service.go.set()
    assert await read(cache, service, "a") == ["a1", "a2"]


class ExclusiveClock:
    """A clock that advances with each reading and counts concurrent readings."""

    def __init__(self) -> None:
        self._alone = threading.Lock()
        self.readings = 0
        self.clashes = 0

    def __call__(self) -> float:
        if not self._alone.acquire(blocking=False):
            self.clashes += 1
            return float(self.readings)
        time.sleep(1e-4)  # lets the others run
        self.readings += 1
        self._alone.release()
        return float(self.readings)


def test_snapshots_taken_on_another_thread_do_not_disturb_the_entries() -> None:
    clock = ExclusiveClock()
    cache = ResponseCache("answers", 3, 5, clock)
    done = threading.Event()

    def take_snapshots() -> None:
        while not done.is_set():
            cache.snapshot()

    async def use() -> None:
        service = Service()
        service.go.set()
        for n in range(200):
            key = "abcde"[n % 5]
            assert await read(cache, service, key) == [f"{key}1", f"{key}2"]

    thread = threading.Thread(target=take_snapshots)
    thread.start()
    try:
        asyncio.run(asyncio.wait_for(use(), 30))
    finally:
        done.set()
        thread.join()
    assert clock.readings > 200
    assert clock.clashes == 0


@given(
    steps=st.lists(
        st.tuples(st.sampled_from("abcde"), st.sampled_from([0.0, 1.0, 20.0, 59.0, 60.0]))
    )
)
def test_stores_the_latest_used_for_their_time(steps: list[tuple[str, float]]) -> None:
    async def drive() -> None:
        clock, service = ManualClock(), Service()
        cache = ResponseCache("answers", 3, 60, clock)
        service.go.set()
        stored: OrderedDict[str, float] = OrderedDict()  # until when, the least recently used first
        expected = []
        for key, pause in steps:
            clock.advance(pause)
            for old in [old for old, until in stored.items() if until <= clock.now]:
                del stored[old]
            if key in stored:
                stored.move_to_end(key)
            else:
                expected.append(key)
                if len(stored) == 3:
                    stored.popitem(last=False)
                stored[key] = clock.now + 60
            assert await read(cache, service, key) == [f"{key}1", f"{key}2"]
        assert service.requests == expected
        assert cache.snapshot().misses == len(expected)
        assert cache.snapshot().entries <= 3

    asyncio.run(drive())


@pytest.mark.parametrize(("maximum", "seconds"), [(0, 1.0), (1, 0.0), (1, float("nan"))])
def test_senseless_settings_are_refused(maximum: int, seconds: float) -> None:
    with pytest.raises(ValueError, match="cache"):
        ResponseCache("answers", maximum, seconds)
