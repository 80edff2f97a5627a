"""One request and its answer, judged while they pass and settled when they are over."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from fuseboard.breaker.outcome import Ruling, Verdict
from fuseboard.breaker.permit import Permit
from fuseboard.http.decompression import Decoder, decoder_for
from fuseboard.http.judge import Judge, rule_on_error
from fuseboard.http.judges.http import HttpJudge

_logger = logging.getLogger(__name__)

_STOPPED = Ruling(Verdict.IGNORED, "stopped by the caller")


class GuardedExchange:
    """Shows an exchange to its judge and settles its permit once, however the exchange ends.

    It ends with the first call of `ended()`, `raised()` or `stopped()`. What a
    judge raises is logged: it is no news of the service, and not the caller's
    trouble.

    Args:
        judge: The judge of this exchange and no other.
        permit: What to settle; `None` for an exchange that nothing guards.
        request: The request that opens it.
    """

    def __init__(self, judge: Judge, permit: Permit | None, request: httpx.Request) -> None:
        self._judge = judge
        self._permit = permit
        self._request = request
        self._decoder: Decoder | None = None
        self._undecodable: Ruling | None = None
        self._answered = False
        self._settled: Ruling | None = None

    @property
    def ruling(self) -> Ruling | None:
        """The ruling on it once it is over, before that what is certain already."""
        return self._settled or self._certain()

    def begin(self, status: int, headers: httpx.Headers) -> None:
        """The head of the answer is here."""
        self._decoder = decoder_for(headers)
        if self._decoder is None:
            if self._request.headers.get("Accept-Encoding") == "identity":  # nor can the caller
                self._undecodable = rule_on_error(httpx.DecodingError("a coding not asked for"))
            else:
                self._judge = HttpJudge(self._request)  # how HTTP went is left to judge
        with self._judging():
            self._judge.begin(status, headers)

    def feed(self, data: bytes) -> None:
        """A piece of the body is here, as it came over the wire."""
        if self._settled or self._undecodable or self._decoder is None:
            return
        with self._judging():
            try:
                for piece in self._decoder.decode(data):
                    self._judge.feed(piece)
            except httpx.DecodingError as error:
                self._undecodable = rule_on_error(error)
            self._notice_first_item()

    def ended(self) -> None:
        """The body came to its regular end."""
        if self._settled:
            return
        with self._judging():
            if self._decoder is not None and not self._undecodable:
                try:
                    self._decoder.end()
                except httpx.DecodingError as error:
                    self._undecodable = rule_on_error(error)
            ruling = self._certain() if self._undecodable else self._judge.end()
            self._notice_first_item()
            self._settle(ruling or _STOPPED)

    def raised(self, error: BaseException) -> None:
        """Sending the request or reading the answer raised."""
        if isinstance(error, GeneratorExit):
            self.stopped()
        elif not self._settled:
            with self._judging():
                self._settle(self._certain() or rule_on_error(error))

    def stopped(self) -> None:
        """The reader does not want the rest."""
        if self._settled:
            return
        with self._judging():
            good = Ruling(Verdict.SUCCESS) if self._judge.answered else _STOPPED
            self._settle(self._certain() or good)

    def _certain(self) -> Ruling | None:
        return self._judge.ruling or self._undecodable

    def _notice_first_item(self) -> None:
        if not self._answered and self._judge.answered:
            self._answered = True
            if self._permit is not None:
                self._permit.first_item()

    def _settle(self, ruling: Ruling) -> None:
        self._settled = ruling
        if self._permit is not None:
            self._permit.settle(ruling)

    @contextmanager
    def _judging(self) -> Iterator[None]:
        try:
            yield
        except Exception:
            _logger.exception("a judge failed: %r", self._judge)
            self._settle(Ruling(Verdict.IGNORED, "the judge failed"))
