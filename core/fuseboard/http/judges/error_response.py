"""Answers whose status is a ruling already, and what their bodies say."""

from __future__ import annotations

from collections.abc import Collection

import httpx

from fuseboard.breaker.outcome import Ruling, Verdict
from fuseboard.http.judges.error_message import ErrorMessage
from fuseboard.http.judges.retry_after import retry_after

LONGEST_ERROR = 64 * 1024
"""Bytes of an error's body that are looked at."""


class ErrorResponse:
    """An answer with a status that makes it no good one; its body only says why.

    408, 429 and everything from 500 on are the server's failures; any other
    status is the caller's own fault.

    Args:
        status: The status.
        headers: The answer's headers; a failure's may say when to come back.
        words: What reads its body.
        failures: Statuses that this server fails with as well.
    """

    def __init__(
        self,
        status: int,
        headers: httpx.Headers,
        words: ErrorMessage,
        *,
        failures: Collection[int] = (),
    ) -> None:
        self._status = status
        self._failed = status in {408, 429} or status >= 500 or status in failures
        self._retry_after = retry_after(headers) if self._failed else None
        self._words = words
        self._body = bytearray()
        self._ruling: Ruling | None = None

    def feed(self, data: bytes) -> None:
        """See a piece of the body."""
        self._body += data[: LONGEST_ERROR - len(self._body)]
        self._ruling = None

    @property
    def ruling(self) -> Ruling:
        """The ruling, with what the body says so far as its reason."""
        if self._ruling is None:
            verdict = Verdict.FAILURE if self._failed else Verdict.IGNORED
            said = self._words.in_body(bytes(self._body))
            reason = f"HTTP {self._status}: {said}" if said else f"HTTP {self._status}"
            self._ruling = Ruling(verdict, reason, retry_after=self._retry_after)
        return self._ruling
