"""Ten thousand calls with random faults and cancellations: no permit or connection is lost."""

from __future__ import annotations

import asyncio
import gc
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from fuseboard import CircuitBreaker, CircuitOpenError, ConsecutiveFailures
from fuseboard.breaker.outcome import Verdict
from fuseboard.faults.catalogue import CATALOGUE
from fuseboard.faults.proxy.proxy import FaultProxy
from fuseboard.faults.switches import FaultSwitches
from fuseboard.ollama import Message, OllamaClient, OllamaError, Operation, breaker_per_operation
from fuseboard.server.sockets import bind
from tests.core.serving import simulated

CALLS = 10_000
CONCURRENCY = 50
CONNECTIONS = 16  # fewer than calls, so that they also compete for them
OPTIONS = {"num_predict": 4}


class Callers:
    """Callers that call and cancel at random, and count how each call ended."""

    def __init__(self, client: OllamaClient, rng: random.Random) -> None:
        self.begun: Counter[Operation] = Counter()
        self.ended: Counter[tuple[Operation, str]] = Counter()
        self._client = client
        self._rng = rng
        self._remaining = CALLS

    async def run(self) -> None:
        await asyncio.gather(*(self._call_repeatedly() for _ in range(CONCURRENCY)))

    async def _call_repeatedly(self) -> None:
        while self._remaining:
            self._remaining -= 1
            operation = self._rng.choice(
                (Operation.GENERATE, Operation.CHAT, Operation.EMBED, Operation.TAGS)
            )
            call = asyncio.create_task(self._call(operation))
            if self._rng.random() < 0.2:
                for _ in range(self._rng.randrange(60)):
                    await asyncio.sleep(0)
                call.cancel()
            await asyncio.wait([call])
            if not call.cancelled():
                call.result()

    async def _call(self, operation: Operation) -> None:
        self.begun[operation] += 1
        try:
            await self._send(operation)
        except CircuitOpenError:
            how = "rejected"
        except OllamaError as error:
            how = "failure" if error.verdict is Verdict.FAILURE else "ignored"
        except asyncio.CancelledError:
            self.ended[operation, "cancelled"] += 1
            raise
        else:
            how = "success"
        self.ended[operation, how] += 1
        if how == "rejected":
            await asyncio.sleep(0.005)

    async def _send(self, operation: Operation) -> None:
        match operation:
            case Operation.GENERATE:
                chunks = self._client.generate("hello", model="llama3.2", options=OPTIONS)
                async with aclosing(chunks):
                    async for _ in chunks:
                        if self._rng.random() < 0.02:
                            break
            case Operation.CHAT:
                messages = [Message("user", "hello")]
                async for _ in self._client.chat(messages, model="llama3.2", options=OPTIONS):
                    pass
            case Operation.EMBED:
                await self._client.embed(["text"], model="nomic-embed-text")
            case _:
                await self._client.tags()


async def switch_faults(switches: FaultSwitches, rng: random.Random) -> None:
    """Change the active faults repeatedly; a stalled request continues when its fault ends."""
    while True:
        switches.clear()
        for fault in rng.sample(CATALOGUE, rng.choice((0, 0, 1, 1, 2, 3))):
            switches.switch(
                fault.name,
                active=True,
                setting=fault.setting(probability=rng.choice((0.1, 0.5, 1.0))),
            )
        await asyncio.sleep(0.02)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def new_breakers() -> dict[Operation, CircuitBreaker]:
    return breaker_per_operation(
        lambda name: CircuitBreaker(
            name, trip=ConsecutiveFailures(5), recovery_timeout=0.01, longest_retry_after=0.01
        )
    )


@pytest.mark.slow
async def test_ten_thousand_calls_leave_nothing_behind() -> None:
    rng = random.Random(20)
    guards = new_breakers()
    switches = FaultSwitches(seed=20)
    async with simulated() as upstream:
        gc.collect()
        files_before, tasks_before = open_files(), asyncio.all_tasks()
        proxy = FaultProxy(bind("127.0.0.1", 0), upstream, switches)
        await proxy.start()
        async with OllamaClient(proxy.url, guards, max_connections=CONNECTIONS) as client:
            switching = asyncio.create_task(switch_faults(switches, rng))
            callers = Callers(client, rng)
            await callers.run()
            switching.cancel()
            await asyncio.wait([switching])
            switches.clear()

            for operation, calls in sorted(callers.begun.items(), key=str):
                check_counters(guards[operation], calls, dict(ended_as(callers, operation)))
            assert client.pool.snapshot().active == 0, "a connection was not given back"
            await everything_works_again(client, guards)
        await proxy.stop()
        assert not proxy._connection_tasks
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == tasks_before
        await until_closed(files_before)


def ended_as(callers: Callers, operation: Operation) -> Iterator[tuple[str, int]]:
    for (called, how), count in callers.ended.items():
        if called is operation:
            yield how, count


def check_counters(breaker: CircuitBreaker, calls: int, ended: dict[str, int]) -> None:
    """Compare the counters of the breaker with the results of the callers.

    For a call that was cancelled the breaker may have counted a verdict or a
    rejection already; every other call is counted as its caller saw it.
    """
    seen = breaker.snapshot()
    cancelled = ended.get("cancelled", 0)
    assert seen.in_flight == 0, "a permit was not given back"
    assert seen.calls.total == calls
    for how in ("success", "failure", "rejected", "ignored"):
        counted = getattr(seen.calls, how)
        assert ended.get(how, 0) <= counted <= ended.get(how, 0) + cancelled, how
    assert ended.get("success", 0) > 100
    assert ended.get("failure", 0) > 100
    assert cancelled > 100


async def everything_works_again(
    client: OllamaClient, guards: dict[Operation, CircuitBreaker]
) -> None:
    for breaker in guards.values():
        breaker.reset()
    async with asyncio.timeout(10):
        while True:
            try:
                await asyncio.gather(*(client.tags() for _ in range(CONNECTIONS)))
            except (OllamaError, CircuitOpenError):
                await asyncio.sleep(0.01)  # the port may still be closed
                guards[Operation.TAGS].reset()
            else:
                return


async def until_closed(files: int) -> None:
    """Wait until no more files are open than before; a server's side closes a little later."""
    async with asyncio.timeout(10):
        while open_files() > files:  # noqa: ASYNC110 (the kernel has no event)
            await asyncio.sleep(0.01)
