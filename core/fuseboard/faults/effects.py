"""What the faults do to an exchange."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NoReturn, Protocol

from fuseboard.snapshot.fault_setting import FaultSetting

DRIP_BYTES = 32  # a third of a token's line

CRASHED = "llama runner process has terminated: exit status 2"
FULL = "server busy, please try again.  maximum pending requests exceeded"
_LIMITED = "usage limit reached, please try again later"
_OUT_OF_MEMORY = "CUDA error: out of memory"


class BreakableExchange(Protocol):
    """What a fault can do to one request and its answer."""

    @property
    def model(self) -> str:
        """The model that the request names; empty if it names none."""
        ...

    async def answer(
        self, status: int, error: str, headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        """Answer with an error in the API's manner instead of passing the request on."""
        ...

    async def hold(self, fault: str, seconds: float | None = None) -> None:
        """Say nothing for some seconds, and no longer than the fault is on."""
        ...

    async def close(self) -> NoReturn:
        """Close the connection properly, whatever has been said on it."""
        ...

    def reset(self) -> NoReturn:
        """Reset the connection."""
        ...


class BreakableAnswer(Protocol):
    """What a fault can do to an answer that has begun."""

    async def say(self, data: bytes) -> None:
        """Send a piece."""
        ...

    async def say_error(self, error: str) -> None:
        """Send an error in the API's manner, as a part of the answer."""
        ...

    async def hold(self, fault: str, seconds: float | None = None) -> None:
        """Say nothing for some seconds, and no longer than the fault is on."""
        ...

    async def end(self) -> None:
        """End the answer properly, as if nothing were missing."""
        ...

    async def end_within_a_chunk(self) -> NoReturn:
        """Promise more bytes than come, and close the connection."""
        ...

    def reset(self) -> NoReturn:
        """Reset the connection."""
        ...


OnRequest = Callable[[BreakableExchange, FaultSetting], Awaitable[bool]]
OnAnswer = Callable[[BreakableAnswer, FaultSetting], Awaitable[bool]]
OnPiece = Callable[[BreakableAnswer, FaultSetting, bytes], Awaitable[None]]


def answers(status: int, error: str) -> OnRequest:
    """Make what answers every request with an error."""

    async def answer(exchange: BreakableExchange, _: FaultSetting) -> bool:
        await exchange.answer(status, error)
        return False

    return answer


async def answer_not_found(exchange: BreakableExchange, _: FaultSetting) -> bool:
    """Answer that the model is not there."""
    await exchange.answer(404, f"model '{exchange.model}' not found")
    return False


async def answer_limited(exchange: BreakableExchange, setting: FaultSetting) -> bool:
    """Answer that there were too many requests."""
    await exchange.answer(429, _LIMITED, [("Retry-After", f"{setting.seconds or 0:.0f}")])
    return False


def holds(fault: str) -> OnRequest:
    """Make what holds every request up for the fault's seconds, or as long as it is on."""

    async def hold(exchange: BreakableExchange, setting: FaultSetting) -> bool:
        await exchange.hold(fault, setting.seconds)
        return True

    return hold


async def close(exchange: BreakableExchange, _: FaultSetting) -> bool:
    """Close the connection before the answer."""
    await exchange.close()


async def reset(exchange: BreakableExchange, _: FaultSetting) -> bool:
    """Reset the connection before the answer."""
    exchange.reset()


async def end(answer: BreakableAnswer, _: FaultSetting) -> bool:
    """End the answer."""
    await answer.end()
    return False


async def say_error(answer: BreakableAnswer, _: FaultSetting) -> bool:
    """Tell of an error in the answer, and end it."""
    await answer.say_error(_OUT_OF_MEMORY)
    await answer.end()
    return False


async def say_garbage(answer: BreakableAnswer, _: FaultSetting) -> bool:
    """Say what is no JSON, and end the answer."""
    await answer.say(b"data: \x00\xff\xfe{]\n\n")  # a bad line of NDJSON and a bad event too
    await answer.end()
    return False


async def end_within_a_chunk(answer: BreakableAnswer, _: FaultSetting) -> bool:
    """Close the connection within a chunk."""
    await answer.end_within_a_chunk()


async def reset_answer(answer: BreakableAnswer, _: FaultSetting) -> bool:
    """Reset the connection within the answer."""
    answer.reset()


async def hold_answer(answer: BreakableAnswer, _: FaultSetting) -> bool:
    """Hang as long as the fault is on, then go on."""
    await answer.hold("midstall")
    return True


async def drip(answer: BreakableAnswer, setting: FaultSetting, data: bytes) -> None:
    """Send a piece in drops."""
    for start in range(0, len(data), DRIP_BYTES):
        await answer.hold("drip", setting.seconds)
        await answer.say(data[start : start + DRIP_BYTES])
