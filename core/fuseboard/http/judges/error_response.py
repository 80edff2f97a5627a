"""The ruling on a response with an error status: verdict, message, `Retry-After`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from fuseboard.breaker.outcome import Ruling, Verdict
from fuseboard.breaker.retry_after import parse_http_date, read_retry_after
from fuseboard.http.judge import Headers
from fuseboard.http.judges.error_message import ErrorMessageReader
from fuseboard.http.judges.reported_error import NO_ERROR, ReportedError, read_error_body

MAX_ERROR_BODY = 64 * 1024
"""Bytes of an error response's body that are read for its message."""


class ErrorResponse:
    """A response whose status is an error: its verdict, its message, its `Retry-After`.

    Args:
        status: The status.
        headers: The response's headers; `Retry-After` is read on a failure.
        messages: Makes the message.
        decide: Returns the verdict on the error in the part of the body received so far.
    """

    def __init__(
        self,
        status: int,
        headers: Headers,
        messages: ErrorMessageReader,
        decide: Callable[[int, ReportedError], Verdict],
    ) -> None:
        self._status = status
        self._headers = headers
        self._messages = messages
        self._decide = decide
        self._body = bytearray()
        self._ruling: Ruling | None = None

    def feed(self, data: bytes) -> None:
        """Process the next chunk of the body; what exceeds `MAX_ERROR_BODY` is dropped."""
        if len(self._body) < MAX_ERROR_BODY:
            self._body += data[: MAX_ERROR_BODY - len(self._body)]
            self._ruling = None

    @property
    def ruling(self) -> Ruling:
        """The ruling, as far as the part of the body received so far tells."""
        if self._ruling is None:
            error = read_error_body(bytes(self._body)) if self._body else NO_ERROR
            verdict = self._decide(self._status, error)
            message = self._messages.clean(error.message)
            reason = f"HTTP {self._status}: {message}" if message else f"HTTP {self._status}"
            wait = self._retry_after if verdict is Verdict.FAILURE else None
            self._ruling = Ruling(verdict, reason, retry_after=wait)
        return self._ruling

    @cached_property
    def _retry_after(self) -> float | None:
        return retry_after(self._headers)


def retry_after(headers: Headers) -> float | None:
    """Return in seconds from now what the headers ask clients to wait; `None` if nothing.

    `retry-after-ms` and `x-ms-retry-after-ms` (Azure's and OpenAI's) are more
    exact than `Retry-After`. A date in this is taken relative to the
    response's own `Date` if there is one, since the server's clock may differ.
    """
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        milliseconds = read_retry_after(headers.get(name))
        if milliseconds is not None:
            return milliseconds / 1000
    now = parse_http_date(headers.get("Date", ""))
    pauses = [read_retry_after(value, now) for value in headers.get_list("Retry-After")]
    return max((pause for pause in pauses if pause is not None), default=None)
