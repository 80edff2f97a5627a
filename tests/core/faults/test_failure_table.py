"""Every fault, injected by the proxy on a real connection, and the verdict and reason it gets.

Each fault, streamed and not, through our client, through the transport in a
plain httpx client, and through the `ollama` and `openai` packages over the same
transport.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import ollama
import openai
import pytest

from fuseboard import CircuitBreaker, ConsecutiveFailures, Verdict
from fuseboard.breaker.records import Call
from fuseboard.faults.catalogue import CATALOGUE
from fuseboard.faults.switches import FaultSwitches
from fuseboard.http import ollama_judge
from fuseboard.http.transport import BreakerTransport
from fuseboard.ollama import OllamaClient, OllamaError, Operation
from tests.core.http.test_third_party_clients import COMPLETIONS, openai_prompting
from tests.core.ollama.test_client import MODEL, skip_ahead
from tests.core.serving import closed_port, open_port, proxied, served, simulated

Ask = Callable[[], Awaitable[None]]
"""Sends a prompt to the model and reads the response to its end."""

START_TIMEOUT = 30.0  # seconds that a call may take to start on a busy machine

NOT_JSON = "answer is not JSON"
CRASHED = "HTTP 500: llama runner process has terminated: exit status 2"
FULL = "HTTP 503: server busy, please try again.  maximum pending requests exceeded"
LIMITED = "HTTP 429: usage limit reached, please try again later"

REASONS = {
    "refuse": "connect refused",
    "error500": CRASHED,
    "busy503": FULL,
    "stall": "no first token within 5 s",
    "cut": "stream ended without done",
    "midreset": "connection reset",
    "errorline": "error in the answer: CUDA error: out of memory",
    "wedge": "no first token within 5 s",
    "reset": "connection reset",
    "close": "closed without an answer",
    "missing404": "HTTP 404: model 'llama3.2' not found",
    "limit429": LIMITED,
    "garbage": NOT_JSON,
    "badchunk": "answer broke off",
    "midstall": "no token for 5 s",
    "drip": "slower than 0.5 tokens/s",
    "latency": "",
    "overload529": "HTTP 529: Overloaded",
    "length": "",
    "badargs": "",
}
WHOLE = {"cut": NOT_JSON}
"""The reasons that differ where the response is not streamed."""
OURS_WHOLE = {"stall": "not finished within 60 s", "wedge": "not finished within 60 s"}
"""In our client: no data before the response is complete is not a failure by itself."""
OPENAI_STREAMED = {"cut": "stream ended without [DONE]"}
SUCCESSFUL = {"latency", "length", "badargs"}
PLAIN = dict.fromkeys(("stall", "wedge", "midstall"), "timed out")
"""In a plain httpx client: its own read timeout, which cannot distinguish these."""


def test_the_table_has_every_fault() -> None:
    assert {*REASONS} == {fault.name for fault in CATALOGUE}


def expected(form: Any, stream: bool, fault: str) -> tuple[Verdict, str]:
    if fault in SUCCESSFUL or (fault == "drip" and (form is not our_client or not stream)):
        # Slow, but successful: a case for a slow-call policy. A drip never exceeds a read
        # timeout, and a response in one chunk has no token rate.
        return Verdict.SUCCESS, ""
    reason = REASONS[fault]
    if not stream:
        reason = WHOLE.get(fault, reason)
    elif form is openai_package:
        reason = OPENAI_STREAMED.get(fault, reason)
    if form is not our_client:
        reason = PLAIN.get(fault, reason)
    elif not stream:
        reason = OURS_WHOLE.get(fault, reason)
    return Verdict.IGNORED if fault == "missing404" else Verdict.FAILURE, reason


@asynccontextmanager
async def our_client(url: str, breaker: CircuitBreaker, stream: bool) -> AsyncIterator[Ask]:
    async with OllamaClient(url, {Operation.GENERATE: breaker}) as client:

        async def ask() -> None:
            async for _ in client.generate("hello", model=MODEL, stream=stream):
                pass

        yield ask


@asynccontextmanager
async def plain_httpx(url: str, breaker: CircuitBreaker, stream: bool) -> AsyncIterator[Ask]:
    transport = BreakerTransport(breaker, judge=ollama_judge)
    async with httpx.AsyncClient(base_url=url, transport=transport, timeout=5) as client:

        async def ask() -> None:
            body = {"model": MODEL, "prompt": "hello", "stream": stream}
            async with client.stream("POST", "/api/generate", json=body) as response:
                await response.aread()

        yield ask


@asynccontextmanager
async def ollama_package(url: str, breaker: CircuitBreaker, stream: bool) -> AsyncIterator[Ask]:
    transport = BreakerTransport(breaker, judge=ollama_judge)
    async with ollama.AsyncClient(host=url, transport=transport, timeout=5) as client:

        async def ask() -> None:
            response: Any = await client.generate(MODEL, "hello", stream=stream)
            if stream:
                async for _ in response:
                    pass

        yield ask


@asynccontextmanager
async def openai_package(url: str, breaker: CircuitBreaker, stream: bool) -> AsyncIterator[Ask]:
    way = "async streaming" if stream else "async"
    async with openai_prompting(way, url, breaker, timeout=5) as send:

        async def ask() -> None:
            with suppress(TypeError):  # it reads an error as a completion without choices
                await send()

        yield ask


FORMS = [our_client, plain_httpx, ollama_package, openai_package]
ERRORS = (
    OllamaError,
    httpx.TransportError,
    ollama.ResponseError,
    openai.APIError,
    ConnectionError,
    ValueError,
)


@asynccontextmanager
async def accelerated_clock() -> AsyncIterator[None]:
    """Advance the loop's clock, slowly enough for the data on the sockets to arrive in time."""

    async def advance() -> None:
        while True:
            for _ in range(40):
                await asyncio.sleep(0)
            skip_ahead(0.25)

    advancing = asyncio.create_task(advance())
    try:
        yield
    finally:
        advancing.cancel()


class Wire:
    """A client of the proxy in front of the simulator, and the rulings of its breaker."""

    def __init__(
        self, ask: Ask, breaker: CircuitBreaker, switches: FaultSwitches, url: str
    ) -> None:
        self.ask = ask
        self.breaker = breaker
        self.switches = switches
        self.url = url
        self.calls: list[Call] = []
        breaker.on_call(lambda _, call: self.calls.append(call))

    async def inject(self, fault: str) -> None:
        self.switches.switch(fault, active=True)
        if fault == "refuse":
            await closed_port(self.url)

    async def clear(self) -> None:
        self.switches.clear()
        await open_port(self.url)

    def last_ruling(self) -> tuple[Verdict, str]:
        return self.calls[-1].ruling.verdict, self.calls[-1].ruling.reason


@pytest.fixture(params=FORMS, ids=lambda form: form.__name__)
def form(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=[True, False], ids=["streamed", "whole"])
def stream(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
async def wire(form: Any, stream: bool) -> AsyncIterator[Wire]:
    breaker, switches = CircuitBreaker("wire", trip=ConsecutiveFailures(9)), FaultSwitches()
    server = served(COMPLETIONS) if form is openai_package else simulated()
    async with (
        server as upstream,
        proxied(upstream, switches) as url,
        form(url, breaker, stream) as ask,
    ):
        yield Wire(ask, breaker, switches, url)


@pytest.mark.parametrize("fault", REASONS)
async def test_every_fault_has_its_verdict_and_its_reason(
    wire: Wire, form: Any, stream: bool, fault: str
) -> None:
    await wire.ask()
    await wire.inject(fault)
    async with accelerated_clock():
        for _ in range(2):
            # The package accepts a cut stream, and an error in a whole response.
            with suppress(*ERRORS):
                await wire.ask()
            assert wire.last_ruling() == expected(form, stream, fault)
            assert wire.breaker.snapshot().in_flight == 0, "the permit is back"
    await wire.clear()
    await wire.ask()
    assert wire.last_ruling() == (Verdict.SUCCESS, "")
    assert len(wire.calls) == 4


@pytest.mark.parametrize("fault", ["stall", "midstall"])
async def test_a_caller_that_cancels_is_no_verdict(wire: Wire, fault: str) -> None:
    await wire.inject(fault)
    call = asyncio.ensure_future(wire.ask())
    # The openai package first determines the platform in a thread, for any number of turns.
    async with asyncio.timeout(START_TIMEOUT):
        while not wire.breaker.snapshot().in_flight:  # noqa: ASYNC110 (a breaker has no event)
            await asyncio.sleep(0)
    for _ in range(200):
        await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert wire.calls[-1].ruling.verdict is Verdict.IGNORED
    assert wire.breaker.snapshot().in_flight == 0
    await wire.clear()
    await wire.ask()
    assert wire.last_ruling() == (Verdict.SUCCESS, "")
