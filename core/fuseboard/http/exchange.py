"""One request and its response, judged while they pass; the permit is settled at the end."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from fuseboard.breaker.outcome import GOOD, Ruling, Verdict
from fuseboard.breaker.permit import Permit
from fuseboard.http.decompression import Decoder, DecodingError, ExpansionError, decoder_for
from fuseboard.http.judge import Headers, Judge, Request
from fuseboard.http.judges.error_response import MAX_ERROR_BODY
from fuseboard.http.judges.http import HttpJudge
from fuseboard.http.judges.json_object import TOO_LONG
from fuseboard.http.judges.transport_error import STOPPED_BY_CALLER, UNDECODABLE, judge_error

_logger = logging.getLogger(__name__)


class GuardedExchange:
    """An exchange that feeds its judge and settles its permit once, however it ends.

    It ends with the byte that tells of a failure, at the latest with the first call
    of `ended()`, `raised()` or `stopped()`; later calls do nothing. An error response
    is read on, because its body has the message. An exception in the judge is logged
    and ignored: it says nothing about the server, and must not reach the caller. Used
    by one thread at a time.

    Args:
        judge: The judge of this exchange only.
        permit: The permit to settle; `None` for an unguarded exchange.
        request: The request of the exchange.
    """

    def __init__(self, judge: Judge, permit: Permit | None, request: Request) -> None:
        self._judge = judge
        self._permit = permit
        self._request = request
        self._decoder: Decoder | None = None
        self._decoding_failure: Ruling | None = None
        self._has_error_status = False
        self._bytes_judged = 0
        self._content_started = False
        self._settled: Ruling | None = None

    @property
    def ruling(self) -> Ruling | None:
        """The ruling once the exchange has ended; before that, the one that holds so far."""
        return self._settled or self._final_ruling()

    def being_sent(self) -> AbstractContextManager[None]:
        """Return a block in which requests through the same breaker are part of this one."""
        return nullcontext() if self._permit is None else self._permit.making_call()

    def begin(self, status: int, headers: Headers) -> None:
        """Process the head of the response."""
        self._has_error_status = status >= 300
        accepted = self._request.headers.get("Accept-Encoding") or ""
        # A client that accepts plain bytes only decodes nothing, so the caller cannot either.
        plain = accepted.strip().lower() == "identity"
        self._decoder = decoder_for(headers, accepts_codings=not plain)
        if self._decoder is None and status < 400:
            self._judge = HttpJudge(self._request)  # the body cannot be read
        with self._catch_judge_errors():
            self._judge.begin(status, headers)

    def feed(self, data: bytes) -> None:
        """Process the next chunk of the body as it was received, still compressed."""
        if self._settled or self._decoding_failure or self._decoder is None:
            return
        with self._catch_judge_errors():
            try:
                for chunk in self._decoder.decode(data):
                    self._judge.feed(chunk)
                    self._bytes_judged += len(chunk)
                    if self._bytes_judged >= MAX_ERROR_BODY and self._is_certain():
                        self._decoder = None  # what follows changes not even the reason
                        break
            except ExpansionError:
                self._decoder = None
                if not isinstance(self._judge, HttpJudge):  # which needs no byte of the body
                    self._decoding_failure = Ruling(Verdict.FAILURE, TOO_LONG)
            except DecodingError:
                self._decoding_failure = UNDECODABLE
            self._report_first_item()
            ruling = self._final_ruling()
            if ruling and ruling.verdict is not Verdict.SUCCESS and not self._has_error_status:
                self._settle(ruling)  # some clients raise on what they read, and leave it open

    def ended(self) -> None:
        """Settle an exchange whose body ended regularly."""
        if self._settled:
            return
        with self._catch_judge_errors():
            if self._decoder is not None and not self._decoding_failure:
                try:
                    self._decoder.end()
                except DecodingError:
                    self._decoding_failure = UNDECODABLE
            ruling = self._final_ruling() if self._decoding_failure else self._judge.end()
            self._report_first_item()
            self._settle(ruling or STOPPED_BY_CALLER)

    def raised(self, error: BaseException) -> None:
        """Settle an exchange in which sending or reading raised `error`."""
        if isinstance(error, GeneratorExit):
            self.stopped()
        elif not self._settled:
            with self._catch_judge_errors():
                self._settle(self._final_ruling() or judge_error(error))

    def stopped(self) -> None:
        """Settle an exchange whose reader does not read the rest.

        It is a success if content had arrived, and ignored otherwise.
        """
        if self._settled:
            return
        with self._catch_judge_errors():
            served = GOOD if self._judge.content_started else STOPPED_BY_CALLER
            self._settle(self._final_ruling() or served)

    def _is_certain(self) -> bool:
        """Return whether no further byte of the body changes the ruling."""
        ruling = self._judge.ruling
        return ruling is not None and (
            self._has_error_status or ruling.verdict is not Verdict.SUCCESS
        )

    def _final_ruling(self) -> Ruling | None:
        return self._judge.ruling or self._decoding_failure

    def _report_first_item(self) -> None:
        if not self._content_started and self._judge.content_started:
            self._content_started = True
            if self._permit is not None:
                self._permit.first_item()

    def _settle(self, ruling: Ruling) -> None:
        self._settled = ruling
        if self._permit is not None:
            self._permit.settle(ruling)

    @contextmanager
    def _catch_judge_errors(self) -> Iterator[None]:
        try:
            yield
        except Exception:
            _logger.exception("a judge failed: %r", self._judge)
            self._settle(Ruling(Verdict.IGNORED, "the judge failed"))
