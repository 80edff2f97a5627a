"""What the traffic asks, seen from the server, the breakers and the cache."""

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
    """Something that asks, what the server hears of it, and all that stands between."""

    def __init__(
        self,
        workload: Workload,
        cache: ResponseCache,
        guards: dict[Operation, CircuitBreaker],
        board: FaultSwitches,
        heard: list[ReceivedRequest],
    ) -> None:
        self.workload = workload
        self.cache = cache
        self.guards = guards
        self.board = board
        self.heard = heard

    def calls(self, operation: Operation) -> CallCounts:
        return self.guards[operation].snapshot().calls

    async def ask(self, times: int) -> None:
        for _ in range(times):
            await self.workload.call_next()


@asynccontextmanager
async def scene(
    kind: TrafficKind, questions: Sequence[str] = BUILT_IN_QUESTIONS
) -> AsyncIterator[Scene]:
    board = FaultSwitches()
    guards = breaker_per_operation(
        lambda name: CircuitBreaker(name, trip=ConsecutiveFailures(2), recovery_timeout=30)
    )
    cache = ResponseCache("ollama", 1000, 600)
    async with (
        recording_simulator() as (server, heard),
        proxied(server, board) as url,
        OllamaClient(url, guards) as client,
    ):
        workload = Workload(
            kind,
            CachingClient(client, cache),
            questions,
            model="llama3.2",
            embedding_model="nomic-embed-text",
        )
        yield Scene(workload, cache, guards, board, heard)


@pytest.mark.parametrize(
    ("kind", "paths"),
    [
        (TrafficKind.RAG, {"/api/embed", "/api/generate"}),
        (TrafficKind.GENERATE, {"/api/generate"}),
        (TrafficKind.CHAT, {"/api/chat"}),
        (TrafficKind.EMBED, {"/api/embed"}),
    ],
)
async def test_each_kind_calls_what_it_says(kind: TrafficKind, paths: set[str]) -> None:
    async with scene(kind) as it:
        await it.ask(10)
        assert {asked.path for asked in it.heard} == paths
        assert sum(guard.snapshot().calls.success for guard in it.guards.values()) == len(it.heard)
        for asked in it.heard:
            speaks = asked.path != "/api/embed"
            assert asked.body["model"] == ("llama3.2" if speaks else "nomic-embed-text")
            assert not speaks or asked.body["options"]["num_predict"] == 48


async def test_questions_are_answered_from_passages() -> None:
    async with scene(TrafficKind.RAG, ["Why should a probe be a real call?"]) as it:
        await it.ask(1)
        *_, embedded, generated = it.heard
        assert embedded.body["input"] == ["Why should a probe be a real call?"]
        prompt = generated.body["prompt"]
        (passage,) = (text for text in read_corpus() if text.startswith("A probe should be"))
        assert f"\n- {passage}\n" in prompt
        assert prompt.endswith("Question: Why should a probe be a real call?\nAnswer:")
        assert prompt.count("\n- ") == 3


async def test_the_cache_lives_and_the_breakers_see_calls_all_the_same() -> None:
    rounds = 5 * len(BUILT_IN_QUESTIONS)  # in which every question has had every turn
    async with scene(TrafficKind.RAG) as it:
        await it.ask(rounds)
        before = it.cache.snapshot()
        embeds, generates = it.calls(Operation.EMBED), it.calls(Operation.GENERATE)
        await it.ask(rounds)
        # From here on it goes on like this for as long as the cache keeps what it has.
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
        await it.ask(10)
        heard = len(it.heard)
        await it.ask(10)
        assert len(it.heard) - heard == 8
        assert it.cache.snapshot().hits == 2


async def test_the_questions_are_asked_in_their_words_and_new_ones_are_told_apart() -> None:
    async with scene(TrafficKind.CHAT, ["one", "two"]) as it:
        await it.ask(8)
        said = Counter(asked.body["messages"][0]["content"] for asked in it.heard)
        assert said == {"one": 4, "two": 4}
    async with scene(TrafficKind.EMBED, ["one", "two"]) as it:
        await it.ask(7)
        assert [asked.body["input"] for asked in it.heard] == [
            ["one"],
            ["two (no. 2)"],
            ["one (no. 3)"],
            ["two (no. 4)"],
            ["one (no. 5)"],
            ["two"],
            ["one (no. 7)"],
        ]


async def test_what_is_asked_repeatably_is_there_while_every_breaker_is_open() -> None:
    async with scene(TrafficKind.RAG) as it:
        await it.workload.call_cacheable("What is a probe?")
        for guard in it.guards.values():
            guard.force_open()
        await it.workload.call_cacheable("What is a probe?")
        with pytest.raises(CircuitOpenError):
            await it.workload.call_cacheable("What is another probe?")


async def test_a_question_that_cannot_be_embedded_is_not_asked_on() -> None:
    async with scene(TrafficKind.RAG) as it:
        it.board.switch("error500", active=True)
        with pytest.raises(OllamaError, match="HTTP 500"):
            await it.workload.call_next()
        it.guards[Operation.EMBED].force_open()
        with pytest.raises(CircuitOpenError):
            await it.workload.call_next()
        assert (it.calls(Operation.EMBED).total, it.calls(Operation.GENERATE).total) == (2, 0)


async def test_a_broken_wire_trips_both_breakers_and_breaks_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with scene(TrafficKind.RAG) as it:
        await it.ask(len(BUILT_IN_QUESTIONS))
        it.board.switch("error500", active=True)
        traffic = TrafficGenerator(TrafficKind.RAG, it.workload.call_next, rate=1000, concurrency=8)
        driving = asyncio.create_task(traffic.run())
        traffic.start()
        both = [it.guards[part] for part in (Operation.EMBED, Operation.GENERATE)]
        async with asyncio.timeout(20):
            while not all(guard.snapshot().calls.rejected for guard in both):  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert traffic.snapshot().kind is TrafficKind.RAG
        driving.cancel()
        await asyncio.gather(driving, return_exceptions=True)
    assert [note for note in caplog.records if note.levelno >= logging.WARNING] == []


async def test_traffic_has_no_room_while_as_many_calls_as_it_may_make_are_under_way() -> None:
    async with scene(TrafficKind.GENERATE) as it:
        it.board.switch("stall", active=True)
        traffic = TrafficGenerator(
            TrafficKind.GENERATE, it.workload.call_next, rate=1000, concurrency=1
        )
        await traffic.wait_for_capacity()
        driving = asyncio.create_task(traffic.run())
        traffic.start()
        while not traffic.snapshot().in_flight:  # noqa: ASYNC110
            await asyncio.sleep(0)
        room = asyncio.create_task(traffic.wait_for_capacity())
        for _ in range(20):
            await asyncio.sleep(0)
        assert not room.done()
        driving.cancel()
        await asyncio.gather(driving, return_exceptions=True)
        await asyncio.wait_for(room, 5)


async def test_another_rate_holds_from_now_on_and_does_not_wait_for_the_old_one() -> None:
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
    for senseless in (0, -1, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="a rate is a number above 0"):
            traffic.set_rate(senseless)
    driving.cancel()
    await asyncio.gather(driving, return_exceptions=True)
