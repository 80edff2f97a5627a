"""The caching client and the filling of its cache, before a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fuseboard import CircuitBreaker, CircuitOpenError, ConsecutiveFailures
from fuseboard.faults.switches import FaultSwitches
from fuseboard.http.transport import RequestRejectedError
from fuseboard.ollama import CachingClient, Message, OllamaClient, OllamaError, Operation
from fuseboard.ollama.client import breaker_per_operation
from fuseboard.ollama.response_cache import ResponseCache
from fuseboard.snapshot.traffic_kind import TrafficKind
from fuseboard.traffic.cache_warmer import CacheWarmer
from fuseboard.traffic.questions import BUILT_IN_QUESTIONS, read_questions
from fuseboard.traffic.workload import Workload
from tests.core.ollama.test_client import skip_ahead
from tests.core.serving import proxied, simulated

MODEL = "llama3.2"


class Wire:
    """A caching client, its breakers, and the board that breaks the wire under it."""

    def __init__(self, client: CachingClient, guards: dict[Operation, CircuitBreaker]) -> None:
        self.client = client
        self.guards = guards
        self.board = FaultSwitches()

    def asked(self, operation: Operation = Operation.GENERATE) -> int:
        return self.guards[operation].snapshot().calls.total

    def warming(
        self, prompts: Sequence[str], model: str = MODEL, **room: Callable[[], Awaitable[None]]
    ) -> CacheWarmer:
        workload = Workload(
            TrafficKind.GENERATE, self.client, prompts, model=model, embedding_model=""
        )
        return CacheWarmer(workload.call_cacheable, prompts, **room)


@asynccontextmanager
async def wired() -> AsyncIterator[tuple[Wire, FaultSwitches]]:
    board = FaultSwitches()
    guards = breaker_per_operation(
        lambda name: CircuitBreaker(name, trip=ConsecutiveFailures(2), recovery_timeout=30)
    )
    async with (
        simulated() as server,
        proxied(server, board) as url,
        OllamaClient(url, guards) as client,
    ):
        yield Wire(CachingClient(client, ResponseCache("ollama", 100, 600)), guards), board


async def text(stream: Any) -> str:
    return "".join([piece.text async for piece in stream])


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ({"temperature": 0}, 1),
        ({"temperature": 0.0}, 1),
        ({"seed": 7, "temperature": 0.9}, 1),
        ({"seed": 0}, 1),
        ({"seed": -1}, 2),
        ({"seed": None}, 2),
        ({"temperature": 0.5}, 2),
        ({}, 2),
        (None, 2),
    ],
)
async def test_keeps_what_comes_out_the_same_each_time(
    options: dict[str, Any] | None, asked: int
) -> None:
    async with wired() as (wire, _):
        for _ in range(2):
            assert await text(wire.client.generate("why?", model=MODEL, options=options))
            await text(wire.client.chat([Message("user", "hi")], model=MODEL, options=options))
        assert wire.asked() == wire.asked(Operation.CHAT) == asked


async def test_other_questions_are_other_questions() -> None:
    async with wired() as (wire, _):
        for options in ({"seed": 1, "top_k": 2}, {"top_k": 2, "seed": 1}):
            await text(wire.client.generate("a", model=MODEL, options=options))
        assert wire.asked() == 1
        await text(wire.client.generate("a", model=MODEL, options={"seed": 2, "top_k": 2}))
        await text(wire.client.generate("b", model=MODEL, options={"seed": 1, "top_k": 2}))
        with pytest.raises(OllamaError):
            await text(wire.client.generate("a", model="other", options={"seed": 1, "top_k": 2}))
        assert wire.asked() == 4


async def test_other_settings_make_another_question() -> None:
    settings: list[dict[str, Any]] = [
        {},
        {"system": "be brief"},
        {"system": "be long"},
        {"format": "json"},
        {"format": {"type": "object"}},
        {"stream": False},
    ]
    async with wired() as (wire, _):
        for kept in range(2):
            for setting in settings:
                await text(wire.client.generate("a", model=MODEL, options={"seed": 1}, **setting))
            assert wire.asked() == len(settings), kept
        for more in ({}, {"options": None}, {"truncate": False}):
            await wire.client.embed(["a"], model="nomic-embed-text", **more)
        assert wire.asked(Operation.EMBED) == 2
        assert (await wire.client.show(MODEL)).family
        assert await wire.client.ps()


async def test_embeddings_are_kept() -> None:
    async with wired() as (wire, _):
        once = await wire.client.embed(["a", "b"], model="nomic-embed-text")
        assert await wire.client.embed(["a", "b"], model="nomic-embed-text") == once
        await wire.client.embed(["b", "a"], model="nomic-embed-text")
        assert wire.asked(Operation.EMBED) == 2
        assert await wire.client.tags()
        assert await wire.client.version()


async def test_the_same_question_at_the_same_time_is_one_call() -> None:
    async with wired() as (wire, _):
        said = await asyncio.gather(
            *(text(wire.client.generate("a", model=MODEL, options={"seed": 1})) for _ in range(20))
        )
        assert len(set(said)) == 1
        embedded = await asyncio.gather(
            *(wire.client.embed(["a"], model="nomic-embed-text") for _ in range(20))
        )
        assert len(set(embedded)) == 1
        assert (wire.asked(), wire.asked(Operation.EMBED)) == (1, 1)


async def test_a_failure_is_one_failure_told_to_all_who_asked() -> None:
    async with wired() as (wire, board):
        wire.guards[Operation.GENERATE].configure(trip=ConsecutiveFailures(1))

        async def ends() -> list[BaseException | str]:
            streams = [
                wire.client.generate("a", model=MODEL, options={"seed": 1}) for _ in range(5)
            ]
            return await asyncio.gather(*map(text, streams), return_exceptions=True)

        board.switch("error500", active=True)
        reasons = {str(end) for end in await ends()}
        assert reasons == {"HTTP 500: llama runner process has terminated: exit status 2"}
        assert wire.guards[Operation.GENERATE].snapshot().calls.failure == 1
        assert {type(end) for end in await ends()} == {RequestRejectedError}
        assert wire.guards[Operation.GENERATE].snapshot().calls.rejected == 1
        board.clear()
        wire.guards[Operation.GENERATE].reset()
        assert len(set(await ends())) == 1


async def test_a_caller_who_is_cancelled_has_given_everything_back() -> None:
    async with wired() as (wire, board):
        board.switch("stall", active=True)
        guard = wire.guards[Operation.GENERATE]
        call = asyncio.create_task(
            text(wire.client.generate("a", model=MODEL, options={"seed": 1}))
        )
        while not guard.snapshot().in_flight:  # noqa: ASYNC110
            await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert guard.snapshot().in_flight == 0
        assert guard.snapshot().calls.ignored == 1


async def test_closing_leaves_what_is_kept() -> None:
    async with wired() as (wire, _):
        async with wire.client as client:
            said = await text(client.generate("a", model=MODEL, options={"seed": 1}))
        assert await text(wire.client.generate("a", model=MODEL, options={"seed": 1})) == said


async def test_what_is_kept_is_there_while_the_breaker_is_open() -> None:
    async with wired() as (wire, _):
        said = await text(wire.client.generate("a", model=MODEL, options={"seed": 1}))
        wire.guards[Operation.GENERATE].force_open()
        assert await text(wire.client.generate("a", model=MODEL, options={"seed": 1})) == said
        with pytest.raises(CircuitOpenError):
            await text(wire.client.generate("b", model=MODEL, options={"seed": 1}))


async def test_warming_asks_each_prompt_once_and_can_go_on() -> None:
    async with wired() as (wire, _):
        warming = wire.warming(BUILT_IN_QUESTIONS)
        running = asyncio.create_task(warming.run())
        while warming.snapshot().done < 2:  # noqa: ASYNC110 (it has no event of its own)
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert not warming.snapshot().ended
        await warming.run()
        seen = warming.snapshot()
        assert (seen.done, seen.failed, seen.total, seen.ended) == (
            len(BUILT_IN_QUESTIONS),
            0,
            len(BUILT_IN_QUESTIONS),
            True,
        )
        before = wire.asked()
        await wire.warming(BUILT_IN_QUESTIONS).run()
        assert wire.asked() == before


async def test_warming_gives_way_to_an_open_breaker() -> None:
    async with wired() as (wire, _):
        guard = wire.guards[Operation.GENERATE]
        guard.force_open()
        warming = wire.warming(BUILT_IN_QUESTIONS)
        running = asyncio.create_task(warming.run())
        while not warming.snapshot().held_up:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert warming.snapshot().held_up == "ollama_generate"
        guard.reset()
        skip_ahead(60)
        await running
        seen = warming.snapshot()
        assert (seen.done, seen.failed, seen.held_up) == (len(BUILT_IN_QUESTIONS), 0, "")


async def test_warming_leaves_the_room_to_others() -> None:
    async with wired() as (wire, _):
        rooms: asyncio.Queue[None] = asyncio.Queue()
        warming = wire.warming(BUILT_IN_QUESTIONS, wait_for_capacity=rooms.get)
        running = asyncio.create_task(warming.run())
        for asked in range(len(BUILT_IN_QUESTIONS)):
            for _ in range(20):
                await asyncio.sleep(0)
            assert wire.asked() == warming.snapshot().done == asked
            rooms.put_nowait(None)
            while warming.snapshot().done == asked:  # noqa: ASYNC110
                await asyncio.sleep(0)
        await running


async def test_what_the_server_fails_with_comes_up_again_and_is_given_up_in_the_end() -> None:
    async with wired() as (wire, board):
        wire.guards[Operation.GENERATE].disable()
        board.switch("error500", active=True)
        warming = wire.warming(BUILT_IN_QUESTIONS[:2])
        running = asyncio.create_task(warming.run())
        while wire.asked() < 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert warming.snapshot().failed == 0
        await running
        assert (warming.snapshot().done, warming.snapshot().failed) == (0, 2)
        assert wire.asked() == 6


async def test_what_is_the_callers_own_fault_is_given_up_at_once() -> None:
    async with wired() as (wire, _):
        warming = wire.warming(BUILT_IN_QUESTIONS[:2], "no-such-model")
        await warming.run()
        assert warming.snapshot().failed == 2
        assert wire.asked() == 2


def test_prompts_are_read_a_line_each(tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_bytes("\ufeffone\n\n  two \r\nth\u2028r\u0085ee".encode())
    assert read_questions(str(file)) == ("one", "two", "th\u2028r\u0085ee")


@pytest.mark.parametrize(
    ("content", "words"), [(None, "No such file"), (b"\n \n", "no prompts"), (b"\xff\xfe", "UTF-8")]
)
def test_senseless_files_are_refused(tmp_path: Path, content: bytes | None, words: str) -> None:
    file = tmp_path / "prompts.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ValueError, match=words):
        read_questions(str(file))
