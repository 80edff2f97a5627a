"""The effects of the faults on a request and on its response."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NoReturn, Protocol

from fuseboard.snapshot.fault_setting import FaultSetting

DRIP_BYTES = 32  # a third of the line that carries one token

RUNNER_CRASHED = "llama runner process has terminated: exit status 2"
OVERLOADED = "Overloaded"
QUEUE_FULL = "server busy, please try again.  maximum pending requests exceeded"
_RATE_LIMITED = "usage limit reached, please try again later"
_OUT_OF_MEMORY = "CUDA error: out of memory"


class InterceptedRequest(Protocol):
    """What a fault can do to a request before it is forwarded."""

    @property
    def model(self) -> str:
        """The model that the request names; empty if it names none."""
        ...

    async def respond_with_error(
        self, status: int, message: str, retry_after: float | None = None
    ) -> None:
        """Send an error response in the form of the requested API.

        Args:
            status: The status of the response.
            message: What the error says.
            retry_after: Seconds after which the client is to come back.
        """
        ...

    async def wait_while_active(self, fault: str, seconds: float | None = None) -> None:
        """Wait while the fault is active, for at most `seconds`."""
        ...

    async def close(self) -> NoReturn:
        """Close the client's connection normally."""
        ...

    def reset(self) -> NoReturn:
        """Reset the client's connection."""
        ...


class InterceptedResponse(Protocol):
    """What a fault can do to a response whose headers have been sent."""

    async def send_chunk(self, data: bytes) -> None:
        """Send a chunk of the body."""
        ...

    async def send_error(self, message: str) -> None:
        """Send an error within the body, in the format of the requested API."""
        ...

    async def wait_while_active(self, fault: str, seconds: float | None = None) -> None:
        """Wait while the fault is active, for at most `seconds`."""
        ...

    async def end(self) -> None:
        """End the body normally, as if it were complete."""
        ...

    async def truncate_chunk(self) -> NoReturn:
        """Announce a longer chunk than is sent, and close the connection."""
        ...

    def reset(self) -> NoReturn:
        """Reset the client's connection."""
        ...


RequestEffect = Callable[[InterceptedRequest, FaultSetting], Awaitable[bool]]
"""Returns whether the request is still to be forwarded."""
ResponseEffect = Callable[[InterceptedResponse, FaultSetting], Awaitable[bool]]
"""Returns whether the rest of the response is still to be forwarded."""
ChunkEffect = Callable[[InterceptedResponse, FaultSetting, bytes], Awaitable[None]]


def respond_with_error(status: int, message: str) -> RequestEffect:
    """Return an effect that responds to every request with this error."""

    async def respond(request: InterceptedRequest, _: FaultSetting) -> bool:
        await request.respond_with_error(status, message)
        return False

    return respond


async def respond_model_not_found(request: InterceptedRequest, _: FaultSetting) -> bool:
    """Respond that the requested model does not exist."""
    await request.respond_with_error(404, f"model '{request.model}' not found")
    return False


async def respond_rate_limited(request: InterceptedRequest, setting: FaultSetting) -> bool:
    """Respond that there were too many requests, and when to come back."""
    await request.respond_with_error(429, _RATE_LIMITED, setting.seconds)
    return False


def delay_request(fault: str) -> RequestEffect:
    """Return an effect that delays every request by the fault's seconds.

    A fault without seconds delays a request for as long as it is active.
    """

    async def delay(request: InterceptedRequest, setting: FaultSetting) -> bool:
        await request.wait_while_active(fault, setting.seconds)
        return True

    return delay


async def close_request(request: InterceptedRequest, _: FaultSetting) -> bool:
    """Close the connection before the response."""
    await request.close()


async def reset_request(request: InterceptedRequest, _: FaultSetting) -> bool:
    """Reset the connection before the response."""
    request.reset()


async def end_response(response: InterceptedResponse, _: FaultSetting) -> bool:
    """End the response before it is complete."""
    await response.end()
    return False


async def send_error_line(response: InterceptedResponse, _: FaultSetting) -> bool:
    """Send an error within the response, and end it."""
    await response.send_error(_OUT_OF_MEMORY)
    await response.end()
    return False


async def send_garbage(response: InterceptedResponse, _: FaultSetting) -> bool:
    """Send a chunk that is not JSON, and end the response."""
    await response.send_chunk(b"data: \x00\xff\xfe{]\n\n")  # invalid as NDJSON and as an event
    await response.end()
    return False


async def truncate_chunk(response: InterceptedResponse, _: FaultSetting) -> bool:
    """Close the connection within a chunk."""
    await response.truncate_chunk()


async def reset_response(response: InterceptedResponse, _: FaultSetting) -> bool:
    """Reset the connection within the response."""
    response.reset()


async def stall_response(response: InterceptedResponse, _: FaultSetting) -> bool:
    """Send nothing for as long as the fault is active, then continue."""
    await response.wait_while_active("midstall")
    return True


async def drip(response: InterceptedResponse, setting: FaultSetting, data: bytes) -> None:
    """Send a chunk in parts of `DRIP_BYTES`, each after the fault's seconds."""
    for start in range(0, len(data), DRIP_BYTES):
        await response.wait_while_active("drip", setting.seconds)
        await response.send_chunk(data[start : start + DRIP_BYTES])
