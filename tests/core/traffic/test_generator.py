"""The calls of the traffic, as server, breakers and cache see them."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from fuseboard import CircuitBreaker, CircuitOpenError, ConsecutiveFailures
from fuseboard.breaker.counters import CallCounts
from fuseboard.faults.switches import FaultSwitches
from fuseboard.ollama import CachingClient, OllamaClient, OllamaError, Operation
from fuseboard.ollama.client import breaker_per_operation
from fuseboard.ollama.response_cache import ResponseCache
from fuseboard.snapshot.traffic_kind import TrafficKind
from fuseboard.traffic.generator import TrafficGenerator
from fuseboard.traffic.questions import BUILT_IN_QUESTIONS
from fuseboard.traffic.rag.retrieval import read_corpus
from fuseboard.traffic.workload import Workload
from tests.core.ollama.test_client import skip_ahead
from tests.core.serving import ReceivedRequest, proxied, recording_simulator


class Scene:
    """A workload, the requests that the server receives, and all that is between."""

    def __init__(
        self,
        workload: Workload,
        cache: ResponseCache,
        breakers: dict[Operation, CircuitBreaker],
        switches: FaultSwitches,
        requests: list[ReceivedRequest],
    ) -> None:
        self.workload = workload
        self.cache = cache
        self.breakers = breakers
        self.switches = switches
        self.requests = requests

    def calls(self, operation: Operation) -> CallCounts:
        return self.breakers[operation].snapshot().calls

    async def call(self, times: int) -> None:
        for _ in range(times):
            await self.workload.call_next()


@asynccontextmanager
async def scene(
    kind: TrafficKind, questions: Sequence[str] = BUILT_IN_QUESTIONS
) -> AsyncIterator[Scene]:
    switches = FaultSwitches()
    breakers = breaker_per_operation(
        lambda name: CircuitBreaker(name, trip=ConsecutiveFailures(2), recovery_timeout=30)
    )
    cache = ResponseCache("ollama", 1000, 600)
    async with (
        recording_simulator() as (server, requests),
        proxied(server, switches) as url,
        OllamaClient(url, breakers) as client,
    ):
        workload = Workload(
            kind,
            CachingClient(client, cache),
            questions,
            model="llama3.2",
            embedding_model="nomic-embed-text",
        )
        yield Scene(workload, cache, breakers, switches, requests)


@pytest.mark.parametrize(
    ("kind", "paths"),
    [
        (TrafficKind.RAG, {"/api/embed", "/api/generate"}),
        (TrafficKind.GENERATE, {"/api/generate"}),
        (TrafficKind.CHAT, {"/api/chat"}),
        (TrafficKind.EMBED, {"/api/embed"}),
    ],
)
async def test_each_kind_calls_its_operations(kind: TrafficKind, paths: set[str]) -> None:
    async with scene(kind) as it:
        await it.call(10)
        assert {request.path for request in it.requests} == paths
        assert sum(breaker.snapshot().calls.success for breaker in it.breakers.values()) == len(
            it.requests
        )
        for request in it.requests:
            generates_text = request.path != "/api/embed"
            assert request.body["model"] == ("llama3.2" if generates_text else "nomic-embed-text")
            assert not generates_text or request.body["options"]["num_predict"] == 48


async def test_questions_are_answered_from_passages() -> None:
    async with scene(TrafficKind.RAG, ["Why should a probe be a real call?"]) as it:
        await it.call(1)
        *_, embedded, generated = it.requests
        assert embedded.body["input"] == ["Why should a probe be a real call?"]
        prompt = generated.body["prompt"]
        (passage,) = (text for text in read_corpus() if text.startswith("A probe should be"))
        assert f"\n- {passage}\n" in prompt
        assert prompt.endswith("Question: Why should a probe be a real call?\nAnswer:")
        assert prompt.count("\n- ") == 3


async def test_the_cache_has_hits_and_the_breakers_see_calls_all_the_same() -> None:
    rounds = 5 * len(BUILT_IN_QUESTIONS)  # in which every question has had every position
    async with scene(TrafficKind.RAG) as it:
        await it.call(rounds)
        before = it.cache.snapshot()
        embeds, generates = it.calls(Operation.EMBED), it.calls(Operation.GENERATE)
        await it.call(rounds)
        # It continues like this until the cached responses expire.
        after = it.cache.snapshot()
        assert it.calls(Operation.EMBED).total - embeds.total == rounds / 5
        assert it.calls(Operation.GENERATE).total - generates.total == rounds * 4 / 5
        assert after.misses - before.misses == rounds / 5
        assert after.hits - before.hits == rounds


@pytest.mark.parametrize("kind", [TrafficKind.GENERATE, TrafficKind.CHAT, TrafficKind.EMBED])
async def test_four_calls_in_five_are_made_where_there_is_one_for_each_question(
    kind: TrafficKind,
) -> None:
    async with scene(kind, ["one", "two"]) as it:
        await it.call(10)
        before = len(it.requests)
        await it.call(10)
        assert len(it.requests) - before == 8
        assert it.cache.snapshot().hits == 2


async def test_questions_are_sent_unchanged_unless_they_are_made_unique() -> None:
    async with scene(TrafficKind.CHAT, ["one", "two"]) as it:
        await it.call(8)
        texts = Counter(request.body["messages"][0]["content"] for request in it.requests)
        assert texts == {"one": 4, "two": 4}
    async with scene(TrafficKind.EMBED, ["one", "two"]) as it:
        await it.call(7)
        assert [request.body["input"] for request in it.requests] == [
            ["one"],
            ["two (no. 2)"],
            ["one (no. 3)"],
            ["two (no. 4)"],
            ["one (no. 5)"],
            ["two"],
            ["one (no. 7)"],
        ]


async def test_cacheable_calls_succeed_while_every_breaker_is_open() -> None:
    async with scene(TrafficKind.RAG) as it:
        await it.workload.call_cacheable("What is a probe?")
        for breaker in it.breakers.values():
            breaker.force_open()
        await it.workload.call_cacheable("What is a probe?")
        with pytest.raises(CircuitOpenError):
            await it.workload.call_cacheable("What is another probe?")


async def test_text_is_not_generated_for_a_question_that_cannot_be_embedded() -> None:
    async with scene(TrafficKind.RAG) as it:
        it.switches.switch("error500", active=True)
        with pytest.raises(OllamaError, match="HTTP 500"):
            await it.workload.call_next()
        it.breakers[Operation.EMBED].force_open()
        with pytest.raises(CircuitOpenError):
            await it.workload.call_next()
        assert (it.calls(Operation.EMBED).total, it.calls(Operation.GENERATE).total) == (2, 0)


async def test_a_fault_trips_both_breakers_and_breaks_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with scene(TrafficKind.RAG) as it:
        await it.call(len(BUILT_IN_QUESTIONS))
        it.switches.switch("error500", active=True)
        traffic = TrafficGenerator(TrafficKind.RAG, it.workload.call_next, rate=1000, concurrency=8)
        driving = asyncio.create_task(traffic.run())
        traffic.start()
        both = [it.breakers[part] for part in (Operation.EMBED, Operation.GENERATE)]
        async with asyncio.timeout(20):
            while not all(breaker.snapshot().calls.rejected for breaker in both):  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert traffic.snapshot().kind is TrafficKind.RAG
        driving.cancel()
        await asyncio.gather(driving, return_exceptions=True)
    assert [note for note in caplog.records if note.levelno >= logging.WARNING] == []


async def test_traffic_has_no_capacity_at_its_maximum_of_concurrent_calls() -> None:
    async with scene(TrafficKind.GENERATE) as it:
        it.switches.switch("stall", active=True)
        traffic = TrafficGenerator(
            TrafficKind.GENERATE, it.workload.call_next, rate=1000, concurrency=1
        )
        await traffic.wait_for_capacity()
        driving = asyncio.create_task(traffic.run())
        traffic.start()
        while not traffic.snapshot().in_flight:  # noqa: ASYNC110
            await asyncio.sleep(0)
        capacity = asyncio.create_task(traffic.wait_for_capacity())
        for _ in range(20):
            await asyncio.sleep(0)
        assert not capacity.done()
        driving.cancel()
        await asyncio.gather(driving, return_exceptions=True)
        await asyncio.wait_for(capacity, 5)


async def test_a_new_rate_applies_at_once() -> None:
    made: list[float] = []

    async def make_call() -> None:
        made.append(asyncio.get_running_loop().time())

    traffic = TrafficGenerator(TrafficKind.GENERATE, make_call, rate=0.001, concurrency=8)
    driving = asyncio.create_task(traffic.run())
    traffic.start()
    while not made:  # noqa: ASYNC110
        await asyncio.sleep(0)
    traffic.set_rate(10)
    assert traffic.snapshot().rate == 10
    for _ in range(20):
        skip_ahead(0.1)
        for _ in range(5):
            await asyncio.sleep(0)
    assert 19 <= len(made) <= 22
    for invalid in (0, -1, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="a rate is a number above 0"):
            traffic.set_rate(invalid)
    driving.cancel()
    await asyncio.gather(driving, return_exceptions=True)


@asynccontextmanager
async def driven(
    rate: float, concurrency: int = 8
) -> AsyncIterator[tuple[TrafficGenerator, list[float]]]:
    """Drive calls that end at once; yield the generator and the times of the calls."""
    made: list[float] = []

    async def make_call() -> None:
        made.append(asyncio.get_running_loop().time())

    traffic = TrafficGenerator(TrafficKind.GENERATE, make_call, rate, concurrency)
    driving = asyncio.create_task(traffic.run())
    traffic.start()
    skip_ahead(0.0)
    while not made:  # noqa: ASYNC110
        await asyncio.sleep(0)
    try:
        yield traffic, made
    finally:
        driving.cancel()
        await asyncio.gather(driving, return_exceptions=True)


async def turn(seconds: float) -> None:
    """Let time pass at once, as on a busy loop, and the calls that are due begin."""
    skip_ahead(seconds)
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_rate_that_is_kept_is_the_rate_that_was_asked_for() -> None:
    async with driven(rate=20) as (traffic, made):
        assert traffic.snapshot().actual_rate == 20
        for _ in range(100):
            await turn(0.05)
        shown = traffic.snapshot()
        assert (shown.actual_rate, shown.skipped, shown.falls_behind) == (20, 0, False)
        assert 99 <= len(made) <= 102


async def test_what_cannot_be_started_in_time_is_skipped_and_both_rates_are_shown() -> None:
    async with driven(rate=1000) as (traffic, made):
        begun, before = asyncio.get_running_loop().time(), len(made)
        skipped = traffic.snapshot().skipped
        for _ in range(140):  # 50 calls are due in each, of which 8 fit in
            await turn(0.05)
        due = (asyncio.get_running_loop().time() - begun) * 1000
        started = len(made) - before
        shown = traffic.snapshot()
        assert started == pytest.approx(140 * 8, rel=0.1)
        assert started + shown.skipped - skipped == pytest.approx(due, abs=2)
        assert shown.rate == 1000
        assert shown.actual_rate == pytest.approx(160, rel=0.1)
        assert shown.falls_behind


async def test_a_process_that_stood_still_has_skipped_what_was_due() -> None:
    async with driven(rate=100) as (traffic, made):
        await turn(60)
        shown = traffic.snapshot()
        assert len(made) <= 10
        assert shown.skipped == pytest.approx(6000, abs=20)
        before, begun = len(made), asyncio.get_running_loop().time()
        for _ in range(700):
            await turn(0.01)
        due = (asyncio.get_running_loop().time() - begun) * 100
        assert len(made) - before == pytest.approx(due, abs=10)
        assert traffic.snapshot().actual_rate == 100, "what is over counts for good"


@pytest.mark.parametrize("rate", [1e9, 1e300])
async def test_no_rate_is_too_high(rate: float) -> None:
    async with driven(rate) as (traffic, made):
        await turn(1)
        await turn(1)
        assert len(made) <= 100
        assert traffic.snapshot().skipped >= 1e9
        assert traffic.snapshot().falls_behind
