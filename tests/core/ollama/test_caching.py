"""The caching client, against a simulated server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fuseboard import CircuitBreaker, CircuitOpenError, ConsecutiveFailures
from fuseboard.faults.switches import FaultSwitches
from fuseboard.http.transport import RequestRejectedError
from fuseboard.ollama import CachingClient, Message, OllamaClient, OllamaError, Operation
from fuseboard.ollama.client import breaker_per_operation
from fuseboard.ollama.response_cache import ResponseCache
from tests.core.serving import proxied, simulated

MODEL = "llama3.2"


class Wire:
    """A caching client and its breakers."""

    def __init__(self, client: CachingClient, breakers: dict[Operation, CircuitBreaker]) -> None:
        self.client = client
        self.breakers = breakers

    def calls(self, operation: Operation = Operation.GENERATE) -> int:
        return self.breakers[operation].snapshot().calls.total


@asynccontextmanager
async def wired() -> AsyncIterator[tuple[Wire, FaultSwitches]]:
    switches = FaultSwitches()
    breakers = breaker_per_operation(
        lambda name: CircuitBreaker(name, trip=ConsecutiveFailures(2), recovery_timeout=30)
    )
    async with (
        simulated() as server,
        proxied(server, switches) as url,
        OllamaClient(url, breakers) as client,
    ):
        yield Wire(CachingClient(client, ResponseCache("ollama", 100, 600)), breakers), switches


async def text(stream: Any) -> str:
    return "".join([piece.text async for piece in stream])


@pytest.mark.parametrize(
    ("options", "calls"),
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
async def test_deterministic_responses_are_cached(
    options: dict[str, Any] | None, calls: int
) -> None:
    async with wired() as (wire, _):
        for _ in range(2):
            assert await text(wire.client.generate("why?", model=MODEL, options=options))
            await text(wire.client.chat([Message("user", "hi")], model=MODEL, options=options))
        assert wire.calls() == wire.calls(Operation.CHAT) == calls


async def test_different_prompts_are_cached_apart() -> None:
    async with wired() as (wire, _):
        for options in ({"seed": 1, "top_k": 2}, {"top_k": 2, "seed": 1}):
            await text(wire.client.generate("a", model=MODEL, options=options))
        assert wire.calls() == 1
        await text(wire.client.generate("a", model=MODEL, options={"seed": 2, "top_k": 2}))
        await text(wire.client.generate("b", model=MODEL, options={"seed": 1, "top_k": 2}))
        with pytest.raises(OllamaError):
            await text(wire.client.generate("a", model="other", options={"seed": 1, "top_k": 2}))
        assert wire.calls() == 4


async def test_different_settings_are_cached_apart() -> None:
    settings: list[dict[str, Any]] = [
        {},
        {"system": "be brief"},
        {"system": "be long"},
        {"format": "json"},
        {"format": {"type": "object"}},
        {"stream": False},
    ]
    async with wired() as (wire, _):
        for attempt in range(2):
            for setting in settings:
                await text(wire.client.generate("a", model=MODEL, options={"seed": 1}, **setting))
            assert wire.calls() == len(settings), attempt
        for more in ({}, {"options": None}, {"truncate": False}):
            await wire.client.embed(["a"], model="nomic-embed-text", **more)
        assert wire.calls(Operation.EMBED) == 2
        assert (await wire.client.show(MODEL)).family
        assert await wire.client.ps()


async def test_embeddings_are_cached() -> None:
    async with wired() as (wire, _):
        once = await wire.client.embed(["a", "b"], model="nomic-embed-text")
        assert await wire.client.embed(["a", "b"], model="nomic-embed-text") == once
        await wire.client.embed(["b", "a"], model="nomic-embed-text")
        assert wire.calls(Operation.EMBED) == 2
        assert await wire.client.tags()
        assert await wire.client.version()


async def test_concurrent_equal_requests_are_one_call() -> None:
    async with wired() as (wire, _):
        said = await asyncio.gather(
            *(text(wire.client.generate("a", model=MODEL, options={"seed": 1})) for _ in range(20))
        )
        assert len(set(said)) == 1
        embedded = await asyncio.gather(
            *(wire.client.embed(["a"], model="nomic-embed-text") for _ in range(20))
        )
        assert len(set(embedded)) == 1
        assert (wire.calls(), wire.calls(Operation.EMBED)) == (1, 1)


async def test_concurrent_equal_requests_share_one_failure() -> None:
    async with wired() as (wire, switches):
        wire.breakers[Operation.GENERATE].configure(trip=ConsecutiveFailures(1))

        async def ends() -> list[BaseException | str]:
            streams = [
                wire.client.generate("a", model=MODEL, options={"seed": 1}) for _ in range(5)
            ]
            return await asyncio.gather(*map(text, streams), return_exceptions=True)

        switches.switch("error500", active=True)
        reasons = {str(end) for end in await ends()}
        assert reasons == {"HTTP 500: llama runner process has terminated: exit status 2"}
        assert wire.breakers[Operation.GENERATE].snapshot().calls.failure == 1
        assert {type(end) for end in await ends()} == {RequestRejectedError}
        assert wire.breakers[Operation.GENERATE].snapshot().calls.rejected == 1
        switches.clear()
        wire.breakers[Operation.GENERATE].reset()
        assert len(set(await ends())) == 1


async def test_a_cancelled_caller_leaves_no_call_in_flight() -> None:
    async with wired() as (wire, switches):
        switches.switch("stall", active=True)
        breaker = wire.breakers[Operation.GENERATE]
        call = asyncio.create_task(
            text(wire.client.generate("a", model=MODEL, options={"seed": 1}))
        )
        while not breaker.snapshot().in_flight:  # noqa: ASYNC110
            await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert breaker.snapshot().in_flight == 0
        assert breaker.snapshot().calls.ignored == 1


async def test_closing_keeps_the_cache() -> None:
    async with wired() as (wire, _):
        async with wire.client as client:
            said = await text(client.generate("a", model=MODEL, options={"seed": 1}))
        assert await text(wire.client.generate("a", model=MODEL, options={"seed": 1})) == said


async def test_cached_responses_are_available_while_the_breaker_is_open() -> None:
    async with wired() as (wire, _):
        said = await text(wire.client.generate("a", model=MODEL, options={"seed": 1}))
        wire.breakers[Operation.GENERATE].force_open()
        assert await text(wire.client.generate("a", model=MODEL, options={"seed": 1})) == said
        with pytest.raises(CircuitOpenError):
            await text(wire.client.generate("b", model=MODEL, options={"seed": 1}))
