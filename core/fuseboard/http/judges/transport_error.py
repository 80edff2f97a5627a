"""The ruling on an exchange that raised an exception instead of completing."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from errno import EADDRNOTAVAIL, EMFILE, ENFILE, ENOBUFS

from fuseboard.breaker.outcome import Ruling, Verdict
from fuseboard.http.causes import causes
from fuseboard.http.judges.json_object import TOO_LONG

STOPPED_BY_CALLER = Ruling(Verdict.IGNORED, "stopped by the caller")
"""The ruling on an exchange that its caller ended before any content arrived."""

# h2's events, as httpcore passes them on: `<StreamReset stream_id:1, error_code:8, …>`.
_HTTP2_END = re.compile(
    r"<(?P<event>StreamReset|ConnectionTerminated)\b[^>]*"
    r"\berror_code:\s*(?:ErrorCodes\.)?(?P<code>\w+)"
)
_HTTP2_ERRORS = (  # RFC 9113, section 7
    "NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT",
    "STREAM_CLOSED", "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR",
    "CONNECT_ERROR", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
)  # fmt: skip
_HTTP2_PACKAGES = ("h2", "hpack", "hyperframe")
_BROKEN_HTTP2 = "broken HTTP/2"


UNDECODABLE = Ruling(Verdict.FAILURE, "answer cannot be decoded")
"""The ruling on a body that is not what its content coding says."""

_LIBRARIES = frozenset({"httpx", "httpx2"})


class DeadlineExceeded(Exception):  # noqa: N818 (a timeout, as the libraries call theirs)
    """A deadline of the client's passed; the message is the reason of the ruling."""


def judge_error(error: BaseException) -> Ruling:
    """Return the ruling on an exchange in which `error` was raised.

    Reasons are fixed strings, so that equal errors count as equal. Errors that
    occur before anything is sent, and cancellation, say nothing about the
    server and are ignored.
    """
    if isinstance(error, DeadlineExceeded):
        return Ruling(Verdict.FAILURE, str(error))
    for kind in _kinds(error):
        match kind:
            case "PoolTimeout":
                return Ruling(Verdict.IGNORED, "no free connection in the pool", sent=False)
            case "LocalProtocolError" if _is_servers_fault(error):
                return Ruling(Verdict.FAILURE, _BROKEN_HTTP2)
            case "UnsupportedProtocol" | "LocalProtocolError":
                return Ruling(Verdict.IGNORED, "request cannot be sent", sent=False)
            case "ConnectTimeout":
                return Ruling(Verdict.FAILURE, "connect timed out")
            case "ConnectError" if any(map(_is_our_lack, causes(error))):
                lack = "no free file descriptor or port here"
                return Ruling(Verdict.IGNORED, lack, sent=False)
            case "ConnectError":
                return Ruling(Verdict.FAILURE, _connect_error_reason(error))
            case "ProxyError":
                return Ruling(Verdict.FAILURE, "the proxy did not connect")
            case "WriteTimeout":
                return Ruling(Verdict.FAILURE, "sending timed out")
            case "WriteError":
                return Ruling(Verdict.FAILURE, "connection reset while sending")
            case "TimeoutException":
                return Ruling(Verdict.FAILURE, "timed out")
            case "NetworkError":
                return Ruling(Verdict.FAILURE, "connection reset")
            case "RemoteProtocolError":
                return Ruling(Verdict.FAILURE, _protocol_error_reason(str(error)))
            case "DecodingError":
                return UNDECODABLE
            case "TooManyRedirects":
                return Ruling(Verdict.FAILURE, "too many redirects")
    match error:
        case Exception() if type(error).__module__.partition(".")[0] in _HTTP2_PACKAGES:
            return Ruling(Verdict.FAILURE, _BROKEN_HTTP2)
        case Exception():
            return Ruling(Verdict.FAILURE, type(error).__name__)
        case _:
            return STOPPED_BY_CALLER


def _kinds(error: BaseException) -> Iterator[str]:
    """Yield the names of the classes of httpx or httpx2 that an error belongs to, nearest first.

    Both libraries have the same ones. Only one of them needs to be installed, so that
    neither is imported.
    """
    for kind in type(error).__mro__:
        if kind.__module__.partition(".")[0] in _LIBRARIES:
            yield kind.__name__


def _connect_error_reason(error: BaseException) -> str:
    for cause in causes(error):
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


def _is_our_lack(error: BaseException) -> bool:
    """Return whether this process or machine could not open another connection."""
    lacking = (EADDRNOTAVAIL, EMFILE, ENFILE, ENOBUFS)
    return isinstance(error, OSError) and error.errno in lacking


def _protocol_error_reason(message: str) -> str:
    # httpcore has no exception types for these.
    if end := _HTTP2_END.match(message):
        kind = "stream reset" if end["event"] == "StreamReset" else "GOAWAY"
        return f"HTTP/2 {kind}: {_http2_error_name(end['code'])}"
    if "disconnected without sending" in message:
        return "closed without an answer"
    if "without sending complete" in message or "unexpectedly closed" in message:
        return "answer broke off"
    if message == "Server disconnected":  # over HTTP/2, whatever has arrived
        return "connection closed"
    if message == "Receive buffer too long":
        return TOO_LONG
    return "answer is not HTTP"


def _http2_error_name(code: str) -> str:
    if not code.isdecimal():
        return code
    number = int(code[:9])
    return _HTTP2_ERRORS[number] if number < len(_HTTP2_ERRORS) else f"error {number}"


def _is_servers_fault(error: BaseException) -> bool:
    """Return whether an error that is called local comes of what was received over HTTP/2."""
    message = str(error)
    return "RECV_" in message or "received" in message.casefold()
