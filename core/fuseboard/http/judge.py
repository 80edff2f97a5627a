"""What judges an HTTP exchange: the head, then the bytes, then the end.

A judge does no I/O. The transport makes one for each request and asks it for
a ruling when the answer is over, however it ended.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from typing import Protocol

import httpx

from fuseboard.breaker.outcome import Ruling, Verdict


class Judge(Protocol):
    """Judges one exchange."""

    @property
    def ruling(self) -> Ruling | None:
        """What is certain already, however the body goes on; `None` if nothing is.

        An error's status is certain at once, an item that tells of an error
        when it comes, success when the last item was seen.
        """
        ...

    @property
    def answered(self) -> bool:
        """Whether at least one item of a good answer has been seen."""
        ...

    def begin(self, status: int, headers: httpx.Headers) -> None:
        """See the head of the answer."""
        ...

    def feed(self, data: bytes) -> None:
        """See a piece of the body, its content coding undone; pieces may end anywhere."""
        ...

    def end(self) -> Ruling:
        """Rule on the whole answer: the body came to its regular end."""
        ...


class DeadlineExceeded(httpx.ReadTimeout):
    """A deadline of ours passed; the message says which, in words fit for a reason."""


def rule_on_error(error: BaseException) -> Ruling:
    """Rule on an exchange that raised instead of answering."""
    match error:
        case DeadlineExceeded():
            return Ruling(Verdict.FAILURE, str(error))
        case httpx.PoolTimeout():
            return Ruling(Verdict.IGNORED, "no free connection in the pool", sent=False)
        case httpx.UnsupportedProtocol() | httpx.LocalProtocolError():
            return Ruling(Verdict.IGNORED, "request cannot be sent", sent=False)
        case httpx.ConnectTimeout():
            return Ruling(Verdict.FAILURE, "connect timed out")
        case httpx.ConnectError():
            return Ruling(Verdict.FAILURE, _why_not_connected(error))
        case httpx.ProxyError():
            return Ruling(Verdict.FAILURE, "the proxy did not connect")
        case httpx.WriteTimeout():
            return Ruling(Verdict.FAILURE, "sending timed out")
        case httpx.WriteError():
            return Ruling(Verdict.FAILURE, "connection reset while sending")
        case httpx.TimeoutException():
            return Ruling(Verdict.FAILURE, "timed out")
        case httpx.NetworkError():
            return Ruling(Verdict.FAILURE, "connection reset")
        case httpx.RemoteProtocolError():
            return Ruling(Verdict.FAILURE, _why_not_understood(str(error)))
        case httpx.DecodingError():
            return Ruling(Verdict.FAILURE, "answer cannot be decoded")
        case httpx.TooManyRedirects():
            return Ruling(Verdict.FAILURE, "too many redirects")
        case Exception():
            return Ruling(Verdict.FAILURE, type(error).__name__)
        case _:
            return Ruling(Verdict.IGNORED, "stopped by the caller")


def _why_not_connected(error: BaseException) -> str:
    for cause in _causes(error):
        match cause:
            case ConnectionRefusedError():
                return "connect refused"
            case socket.gaierror():
                return "host name not found"
            case ssl.SSLCertVerificationError():
                return "certificate not trusted"
            case ssl.SSLError():
                return "TLS handshake failed"
    return "connect failed"


def _why_not_understood(message: str) -> str:
    # httpcore gives these no types of their own.
    if "disconnected without sending" in message:
        return "closed without an answer"
    if "without sending complete" in message:
        return "answer broke off"
    return "answer is not HTTP"


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        cause = waiting.pop()
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        if isinstance(cause, BaseExceptionGroup):
            waiting.extend(cause.exceptions)
        waiting.extend(known for known in (cause.__cause__, cause.__context__) if known)
