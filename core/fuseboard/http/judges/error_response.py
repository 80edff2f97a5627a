"""The ruling on a response with an error status: verdict, message, `Retry-After`."""

from __future__ import annotations

from collections.abc import Collection

import httpx

from fuseboard.breaker.outcome import Ruling, Verdict
from fuseboard.breaker.retry_after import parse_http_date, read_retry_after
from fuseboard.http.judges.error_message import ErrorMessageReader

MAX_ERROR_BODY = 64 * 1024
"""Bytes of an error response's body that are read for its message."""


class ErrorResponse:
    """A response whose status decides the verdict; its body only explains it.

    408, 429 and every status from 500 on are failures of the server; any other
    status is the caller's error and is ignored.

    Args:
        status: The status.
        headers: The response's headers; `Retry-After` is read on a failure.
        messages: Extracts the message from the body.
        failures: Further statuses that are failures of this server.
    """

    def __init__(
        self,
        status: int,
        headers: httpx.Headers,
        messages: ErrorMessageReader,
        *,
        failures: Collection[int] = (),
    ) -> None:
        self._status = status
        self._failed = status in {408, 429} or status >= 500 or status in failures
        self._retry_after = retry_after(headers) if self._failed else None
        self._messages = messages
        self._body = bytearray()
        self._ruling: Ruling | None = None

    def feed(self, data: bytes) -> None:
        """Process the next chunk of the body; what exceeds `MAX_ERROR_BODY` is dropped."""
        self._body += data[: MAX_ERROR_BODY - len(self._body)]
        self._ruling = None

    @property
    def ruling(self) -> Ruling:
        """The ruling, its reason taken from the part of the body received so far."""
        if self._ruling is None:
            verdict = Verdict.FAILURE if self._failed else Verdict.IGNORED
            message = self._messages.from_body(bytes(self._body))
            reason = f"HTTP {self._status}: {message}" if message else f"HTTP {self._status}"
            self._ruling = Ruling(verdict, reason, retry_after=self._retry_after)
        return self._ruling


def retry_after(headers: httpx.Headers) -> float | None:
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
