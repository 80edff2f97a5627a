"""The handle of one admitted call."""

from __future__ import annotations

import threading
from types import TracebackType

from fuseboard.breaker.core import BreakerCore
from fuseboard.breaker.outcome import GOOD, Ruling, Verdict


class Permit:
    """One admitted call, to be settled exactly once; further settlements do nothing.

    Each settling method returns whether it settled the call. As a context
    manager, `with` or `async with`, the end of the block settles it, unless
    the block has: an exception is classified by the breaker's settings, no
    exception is a success. Made by `CircuitBreaker.acquire()`; thread-safe.
    """

    __slots__ = ("_core", "_entered", "_first_item", "_generation", "_settled", "_started")

    def __init__(self, core: BreakerCore, generation: int, started: float) -> None:
        self._core = core
        self._generation = generation
        self._started = started
        self._first_item: float | None = None
        self._entered = False
        self._settled = threading.Lock()  # acquired once, never released

    def success(self) -> bool:
        """Settle the call as a success."""
        return self.settle(GOOD)

    def failure(
        self, reason: str | BaseException = "failure", *, retry_after: float | None = None
    ) -> bool:
        """Settle the call as a failure.

        Args:
            reason: A short, stable text; for an exception the name of its type.
            retry_after: Seconds the service asked clients to wait before the next call.

        Raises:
            TypeError: If `retry_after` is no number; then nothing is settled.
        """
        if not isinstance(retry_after, int | float | None):
            raise TypeError(f"retry_after takes seconds, not {retry_after!r}")
        text = reason if isinstance(reason, str) else type(reason).__name__
        return self.settle(Ruling(Verdict.FAILURE, text, retry_after))

    def ignore(self, *, sent: bool = True) -> bool:
        """Settle the call as one that proves nothing about the service.

        Args:
            sent: Whether the call left this process.
        """
        return self.settle(Ruling(Verdict.IGNORED, sent=sent))

    def settle(self, ruling: Ruling) -> bool:
        """Settle the call by a ruling."""
        if not self._settled.acquire(blocking=False):
            return False
        self._core._record(  # noqa: SLF001
            ruling, self._generation, self._started, self._first_item
        )
        return True

    def first_item(self) -> None:
        """Record that the first item of the call's stream has come; further calls do nothing."""
        if self._first_item is None:
            self._first_item = self._core._first_item_came(  # noqa: SLF001
                self._generation, self._started
            )

    def __enter__(self) -> Permit:
        if self._entered:
            raise RuntimeError("a permit guards one block: acquire another")
        self._entered = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None or (isinstance(error, GeneratorExit) and self._first_item is not None):
            # A consumer that closes a stream after its first item got what it wanted.
            self.success()
        else:
            self.settle(self._core.settings.classifier.on_error(error))

    async def __aenter__(self) -> Permit:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)
