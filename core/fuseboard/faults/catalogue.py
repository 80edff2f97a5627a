"""Every fault the proxy can make, each defined here and nowhere else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

LATENCY_SECONDS = 2.0
CHUNKS_BEFORE_BREAK = 3


class BreakableExchange(Protocol):
    """What a fault can do to one request and its answer."""

    async def answer(self, status: int, error: str) -> None:
        """Answer in Ollama's manner instead of passing the request on."""
        ...

    async def hold(self, fault: str, seconds: float | None = None) -> None:
        """Say nothing for some seconds, and no longer than the fault is on."""
        ...

    async def end_answer(self) -> None:
        """End the answer properly, as if nothing were missing."""
        ...

    async def reset(self) -> None:
        """Reset the connection."""
        ...


OnRequest = Callable[[BreakableExchange], Awaitable[bool]]
OnBody = Callable[[BreakableExchange], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which the wire breaks."""

    key: str
    """The key that switches it on the dashboard."""
    name: str
    label: str
    """A few letters for where there is little room."""
    words: str
    """One line that says what it does."""
    closes_port: bool = False
    """Nobody listens while it is on."""
    on_request: OnRequest | None = None
    """Meets a request; returns whether it is passed on after all."""
    on_body: OnBody | None = None
    """Ends an answer after its first chunks."""


def _answers(status: int, error: str) -> OnRequest:
    async def answer(exchange: BreakableExchange) -> bool:
        await exchange.answer(status, error)
        return False

    return answer


def _holds(fault: str, seconds: float | None = None) -> OnRequest:
    async def hold(exchange: BreakableExchange) -> bool:
        await exchange.hold(fault, seconds)
        return True

    return hold


async def _end(exchange: BreakableExchange) -> None:
    await exchange.end_answer()


async def _reset(exchange: BreakableExchange) -> None:
    await exchange.reset()


CATALOGUE = (
    Fault(
        key="1",
        name="refuse",
        label="refuse",
        words="nobody listens: new connections are refused",
        closes_port=True,
    ),
    Fault(
        key="2",
        name="error500",
        label="HTTP 500",
        words="HTTP 500: the model's runner has crashed",
        on_request=_answers(500, "llama runner process has terminated: exit status 2"),
    ),
    Fault(
        key="3",
        name="busy503",
        label="busy 503",
        words="HTTP 503: the server's queue is full",
        on_request=_answers(
            503, "server busy, please try again.  maximum pending requests exceeded"
        ),
    ),
    Fault(
        key="4",
        name="stall",
        label="stall",
        words="the request is taken and nothing comes back, not even headers",
        on_request=_holds("stall"),
    ),
    Fault(
        key="5",
        name="latency",
        label="latency",
        words=f"every request waits {LATENCY_SECONDS:g} s before it goes on",
        on_request=_holds("latency", LATENCY_SECONDS),
    ),
    Fault(
        key="6",
        name="cut",
        label="cut",
        words="the answer ends properly after a few chunks, without done",
        on_body=_end,
    ),
    Fault(
        key="7",
        name="midreset",
        label="midreset",
        words="the connection is reset after a few chunks of the answer",
        on_body=_reset,
    ),
)

BY_NAME = {fault.name: fault for fault in CATALOGUE}
