"""The handle of one admitted call."""
# ruff: noqa: SLF001 (a permit is the core's own handle)

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from types import TracebackType
from typing import NoReturn

from fuseboard.breaker.active_calls import ActiveCall, mark, unmarked_call
from fuseboard.breaker.admission import Admission
from fuseboard.breaker.core import BreakerCore
from fuseboard.breaker.generation import Generation
from fuseboard.breaker.outcome import GOOD, Ruling, Verdict
from fuseboard.breaker.retry_after import read_retry_after

_LOST = Ruling(Verdict.IGNORED, "permit was never settled")


class Permit(Admission):
    """One admitted call, to be settled exactly once; further settlements do nothing.

    Each settling method returns whether it settled the call. As a context
    manager, `with` or `async with`, the end of the block settles it, unless
    the block has: an exception is classified by the breaker's settings, no
    exception is a success. One that is dropped unsettled is given back, with a
    `ResourceWarning`; `python -X tracemalloc=10` tells where it was acquired.
    Made by `CircuitBreaker.acquire()`; thread-safe.

    Inside a call of the same breaker it is that call's permit, too: how it is
    settled decides how that call ends.
    """

    __slots__ = ("_core", "_entered", "_mark")

    def __init__(self, core: BreakerCore) -> None:
        super().__init__()
        self._entered = False
        self._mark: ActiveCall | None = None
        self._core = core
        outer = core._outer_call()
        if outer is None:
            core._admit(self)
        else:
            self.started = core._clock()
            outer.inner = self

    @classmethod
    def of_running_call(cls, core: BreakerCore, generation: Generation, started: float) -> Permit:
        """Return the permit of a call that was admitted without one and goes on."""
        permit = cls.__new__(cls)
        Admission.__init__(permit)
        permit._core = core
        permit._entered = False
        permit._mark = None
        core._open(permit, generation, started)
        return permit

    def success(self, reason: str = "") -> bool:
        """Settle the call as a success.

        Args:
            reason: A short, stable text; a success needs none.
        """
        return self.settle(Ruling(Verdict.SUCCESS, reason) if reason else GOOD)

    def failure(
        self,
        reason: str | BaseException = "failure",
        *,
        retry_after: float | timedelta | datetime | str | None = None,
    ) -> bool:
        """Settle the call as a failure.

        Args:
            reason: A short, stable text; for an exception the name of its type.
            retry_after: How long the service asked clients to wait before the
                next call: seconds, a `timedelta`, a date, or the text of a
                `Retry-After` header. One that cannot be read is logged once.

        Raises:
            TypeError: If `retry_after` is of another type; then nothing is settled.
        """
        if isinstance(retry_after, bool) or not isinstance(
            retry_after, int | float | timedelta | datetime | str | None
        ):
            raise TypeError(f"retry_after takes seconds, not {retry_after!r}")
        text = reason if isinstance(reason, str) else type(reason).__name__
        return self.settle(Ruling(Verdict.FAILURE, text, read_retry_after(retry_after)))

    def ignore(self, *, sent: bool = True) -> bool:
        """Settle the call as one that proves nothing about the service.

        Args:
            sent: Whether the call left this process.
        """
        return self.settle(Ruling(Verdict.IGNORED, sent=sent))

    def settle(self, ruling: Ruling) -> bool:
        """Settle the call by a ruling."""
        if self.generation is None:
            first = self.ruling is None
            self._core._record_inner(self, ruling)
            return first
        if self._mark is not None:
            self._mark.core = None
        return self._core._settle_admission(self, ruling)

    def first_item(self) -> None:
        """Record that the first item of the call's stream has come; further calls do nothing."""
        self._core._first_item_came(self)

    @contextmanager
    def making_call(self) -> Iterator[None]:
        """Return a block in which calls of the same breaker are part of this one.

        Unlike `with permit` it does not settle the call.
        """
        self._mark_context()
        try:
            yield
        finally:
            if self._mark is not None:
                self._mark.core = None

    def _mark_context(self) -> None:
        if self.generation is not None:
            self._core.marks_contexts = True
            self._mark = unmarked_call()
            mark(self._mark, self._core)

    def __enter__(self) -> Permit:
        if self._entered:
            raise RuntimeError("a permit guards one block: acquire another")
        self._entered = True
        self._mark_context()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        inner = None
        if self._mark is not None:
            self._mark.core = None
            inner = self._mark.inner
        self._end(error, inner)

    async def __aenter__(self) -> Permit:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)

    def _end(self, error: BaseException | None, inner: Admission | None = None) -> None:
        """Settle the call whose block, function or stream ended.

        Args:
            error: What it raised.
            inner: The latest call of the same breaker inside it.
        """
        if isinstance(error, GeneratorExit) and self.seconds_to_first_item is not None:
            error = None  # who closes a stream after its first item got what was wanted
        if error is not None:
            self.settle(self._core.settings.classifier.on_error(error))
        elif inner is None:
            self.success()
        else:
            self._core._settle_admission_by(inner, self)

    def __del__(self) -> None:
        core: BreakerCore | None = getattr(self, "_core", None)
        if core is None:  # it was interrupted before it was made
            return
        if self._mark is not None:
            self._mark.core = None
        if id(self) not in core._open_admissions:
            return
        try:
            self.settle(_LOST)
        except BaseException:  # an interrupt: nobody else will do it
            self.settle(_LOST)
            raise
        finally:
            message = f"a permit of {core.name!r} was dropped before it was settled"
            warnings.warn(message, ResourceWarning, source=self, stacklevel=2)

    def __copy__(self) -> NoReturn:
        raise TypeError("a permit stands for one call and cannot be copied")

    def __deepcopy__(self, memo: object) -> NoReturn:
        self.__copy__()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a permit stands for one call in this process and cannot be pickled")
