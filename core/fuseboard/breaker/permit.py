"""One admitted call, in the caller's hand."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import TYPE_CHECKING

from fuseboard.breaker.outcome import Ruling, Verdict

if TYPE_CHECKING:
    from fuseboard.breaker.breaker import CircuitBreaker

_GOOD = Ruling(Verdict.SUCCESS)


class Permit:
    """One admitted call, to be settled exactly once; later settlements do nothing.

    Each settling method returns whether it was the one that counted. As a
    context manager, `with` or `async with`, it is settled by how the block
    ends: an exception is judged as the breaker's settings say, and without one
    it is a success, unless the block has settled it. Made by
    `CircuitBreaker.acquire()`; may be settled from any thread.
    """

    __slots__ = ("_breaker", "_entered", "_first_item", "_generation", "_settled", "_started")

    def __init__(self, breaker: CircuitBreaker, generation: int, started: float) -> None:
        self._breaker = breaker
        self._generation = generation
        self._started = started
        self._first_item: float | None = None
        self._entered = False
        self._settled = threading.Lock()  # taken once, never given back

    def success(self) -> bool:
        """The service did its work."""
        return self.settle(_GOOD)

    def failure(
        self, reason: str | BaseException = "failure", *, retry_after: float | None = None
    ) -> bool:
        """The service failed.

        Args:
            reason: Short, stable words; an exception's are the name of its type.
            retry_after: Seconds for which the service asked to be left alone.

        Raises:
            TypeError: If `retry_after` is no number; then nothing is settled.
        """
        if not isinstance(retry_after, int | float | None):
            raise TypeError(f"retry_after takes seconds, not {retry_after!r}")
        words = reason if isinstance(reason, str) else type(reason).__name__
        return self.settle(Ruling(Verdict.FAILURE, words, retry_after))

    def ignore(self, *, sent: bool = True) -> bool:
        """The call says nothing about the service; the permit goes back.

        Args:
            sent: Whether the call left this process at all.
        """
        return self.settle(Ruling(Verdict.IGNORED, sent=sent))

    def settle(self, ruling: Ruling) -> bool:
        """Settle it as a ruling says."""
        if not self._settled.acquire(blocking=False):
            return False
        self._breaker._record(  # noqa: SLF001
            ruling, self._generation, self._started, self._first_item
        )
        return True

    def first_item(self) -> None:
        """Say that the first item of what the call streams has come; later ones do nothing."""
        if self._first_item is None:
            self._first_item = self._breaker._first_item_came(  # noqa: SLF001
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
            # Whoever stops a stream that has begun to come has got what it wanted.
            self.success()
        else:
            self.settle(self._breaker.settings.rules.on_error(error))

    async def __aenter__(self) -> Permit:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)
