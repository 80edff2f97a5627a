"""Warming of the cache, against a simulated server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from fuseboard.ollama import Operation
from fuseboard.snapshot.traffic_kind import TrafficKind
from fuseboard.traffic.cache_warmer import CacheWarmer
from fuseboard.traffic.questions import BUILT_IN_QUESTIONS
from fuseboard.traffic.workload import Workload
from tests.core.ollama.test_caching import MODEL, Wire, wired
from tests.core.ollama.test_client import skip_ahead


def warmer_of(
    wire: Wire,
    questions: Sequence[str],
    model: str = MODEL,
    **capacity: Callable[[], Awaitable[None]],
) -> CacheWarmer:
    workload = Workload(
        TrafficKind.GENERATE, wire.client, questions, model=model, embedding_model=""
    )
    return CacheWarmer(workload.call_cacheable, questions, **capacity)


async def test_warming_calls_each_prompt_once_and_can_continue() -> None:
    async with wired() as (wire, _):
        warmer = warmer_of(wire, BUILT_IN_QUESTIONS)
        running = asyncio.create_task(warmer.run())
        while warmer.snapshot().done < 2:  # noqa: ASYNC110 (it has no event of its own)
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert not warmer.snapshot().ended
        await warmer.run()
        seen = warmer.snapshot()
        assert (seen.done, seen.failed, seen.total, seen.ended) == (
            len(BUILT_IN_QUESTIONS),
            0,
            len(BUILT_IN_QUESTIONS),
            True,
        )
        before = wire.calls()
        await warmer_of(wire, BUILT_IN_QUESTIONS).run()
        assert wire.calls() == before


async def test_warming_waits_for_an_open_breaker() -> None:
    async with wired() as (wire, _):
        breaker = wire.breakers[Operation.GENERATE]
        breaker.force_open()
        warmer = warmer_of(wire, BUILT_IN_QUESTIONS)
        running = asyncio.create_task(warmer.run())
        while not warmer.snapshot().waiting_for:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert warmer.snapshot().waiting_for == "ollama_generate"
        breaker.reset()
        skip_ahead(60)
        await running
        seen = warmer.snapshot()
        assert (seen.done, seen.failed, seen.waiting_for) == (len(BUILT_IN_QUESTIONS), 0, "")


async def test_warming_waits_for_capacity() -> None:
    async with wired() as (wire, _):
        capacity: asyncio.Queue[None] = asyncio.Queue()
        warmer = warmer_of(wire, BUILT_IN_QUESTIONS, wait_for_capacity=capacity.get)
        running = asyncio.create_task(warmer.run())
        for calls in range(len(BUILT_IN_QUESTIONS)):
            for _ in range(20):
                await asyncio.sleep(0)
            assert wire.calls() == warmer.snapshot().done == calls
            capacity.put_nowait(None)
            while warmer.snapshot().done == calls:  # noqa: ASYNC110
                await asyncio.sleep(0)
        await running


async def test_a_call_that_the_server_fails_is_repeated_up_to_three_attempts() -> None:
    async with wired() as (wire, switches):
        wire.breakers[Operation.GENERATE].disable()
        switches.switch("error500", active=True)
        warmer = warmer_of(wire, BUILT_IN_QUESTIONS[:2])
        running = asyncio.create_task(warmer.run())
        while wire.calls() < 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert warmer.snapshot().failed == 0
        await running
        assert (warmer.snapshot().done, warmer.snapshot().failed) == (0, 2)
        assert wire.calls() == 6


async def test_a_call_that_the_client_got_wrong_is_not_repeated() -> None:
    async with wired() as (wire, _):
        warmer = warmer_of(wire, BUILT_IN_QUESTIONS[:2], "no-such-model")
        await warmer.run()
        assert warmer.snapshot().failed == 2
        assert wire.calls() == 2
